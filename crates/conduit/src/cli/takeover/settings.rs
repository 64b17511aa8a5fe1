//! What a file asks for that the configuration holds.
//!
//! **Invariant:** what is printed keeps to the limits that the configuration has for tables of names and for
//! lines; the work is in proportion to what is read.

use std::collections::{HashMap, HashSet};

use toml::{Table, Value};

/// Keys of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    keys: Table,
    forwards: Vec<Forward>,
    /// Where each name is among them.
    forward_of: HashMap<String, usize>,
    lists: Vec<List>,
}

/// A name that certain servers are asked about.
#[derive(Debug)]
struct Forward {
    domain: String,
    to: Vec<String>,
    is_judged: bool,
}

/// A table of `dns.lists`.
#[derive(Debug)]
struct List {
    name: String,
    format: &'static str,
    holds: Holds,
}

/// What a list has its names from.
#[derive(Debug)]
enum Holds {
    File(String),
    /// In order, and to find them again.
    Lines(Vec<String>, HashSet<String>),
}

impl Settings {
    /// Sets a key, such as `dns.cache.size`.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) {
        let (table, key) = self.table(key);
        table.insert(key.to_owned(), value.into());
    }

    /// Adds to a list, unless it is there.
    pub(crate) fn push(&mut self, key: &str, value: impl Into<Value>) {
        let (table, key) = self.table(key);
        let list = table.entry(key).or_insert_with(|| Value::Array(Vec::new()));
        let value = value.into();
        if let Value::Array(list) = list
            && !list.contains(&value)
        {
            list.push(value);
        }
    }

    /// Has names asked elsewhere.
    pub(crate) fn forward(&mut self, domains: &[String], to: &[String]) {
        for domain in domains {
            let next = self.forwards.len();
            let at = *self.forward_of.entry(domain.clone()).or_insert(next);
            if at == next {
                let domain = domain.clone();
                self.forwards.push(Forward { domain, to: Vec::new(), is_judged: true });
            }
            let known = &mut self.forwards[at].to;
            for server in to {
                if !known.contains(server) {
                    known.push(server.clone());
                }
            }
        }
    }

    /// Has the answers of those that are asked about certain names not judged, unless one of them has an
    /// anchor of its own, as dnsmasq has it.
    pub(crate) fn unjudged_forwards(&mut self, anchored: &[String]) {
        for forward in &mut self.forwards {
            forward.is_judged = anchored.contains(&forward.domain);
        }
    }

    /// Names that have servers of their own and no room in the configuration.
    pub(crate) fn forwards_left(&self) -> usize {
        let tables = self.forward_tables();
        tables.iter().skip(FORWARD_TABLES_MAX).map(|(domains, _)| domains.len()).sum()
    }

    /// Adds a line to a list of names.
    ///
    /// # Errors
    /// When the configuration has no room for it.
    pub(crate) fn line(
        &mut self,
        name: &str,
        format: &'static str,
        line: String,
    ) -> Result<(), String> {
        let at = match self.lists.iter().position(|list| list.name == name) {
            Some(at) => at,
            None => {
                let holds = Holds::Lines(Vec::new(), HashSet::new());
                self.lists.push(List { name: name.to_owned(), format, holds });
                self.lists.len() - 1
            }
        };
        let Holds::Lines(lines, known) = &mut self.lists[at].holds else {
            return Err(format!("{name} is a file already"));
        };
        if known.contains(&line) {
            return Ok(());
        }
        if lines.len() >= LINES_MAX {
            return Err(format!(
                "a list in the configuration has at most {LINES_MAX} lines; keep such lines in a file of \
                 their own, and name it in [[dns.lists]]"
            ));
        }
        known.insert(line.clone());
        lines.push(line);
        Ok(())
    }

    /// Has a file read as a list of names.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn list_file(&mut self, path: &str, format: &'static str) -> Result<(), String> {
        if self.lists.len() >= LISTS_MAX {
            return Err(format!("there are more than {LISTS_MAX} lists"));
        }
        let stem = std::path::Path::new(path).file_stem().unwrap_or_default().to_string_lossy();
        let is_free = |name: &String| self.lists.iter().all(|list| list.name != *name);
        let numbered = (2..).map(|number| format!("{stem}-{number}"));
        let name = std::iter::once(stem.to_string()).chain(numbered).find(is_free);
        let list =
            List { name: name.unwrap_or_default(), format, holds: Holds::File(path.to_owned()) };
        self.lists.push(list);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.forwards.is_empty() && self.lists.is_empty()
    }

    /// What is to be added to the configuration.
    pub(crate) fn toml(&self) -> String {
        let mut whole = Self { keys: self.keys.clone(), ..Self::default() };
        let forwards: Vec<Value> = self
            .forward_tables()
            .into_iter()
            .take(FORWARD_TABLES_MAX)
            .map(|(domains, forward)| {
                let mut table = Table::new();
                table.insert("domains".into(), values(&domains));
                table.insert("to".into(), values(&forward.to));
                if !forward.is_judged {
                    table.insert("dnssec".into(), false.into());
                }
                table.into()
            })
            .collect();
        let lists: Vec<Value> = self.lists.iter().map(|list| list.table().into()).collect();
        for (key, tables) in [("dns.forward", forwards), ("dns.lists", lists)] {
            if !tables.is_empty() {
                whole.set(key, tables);
            }
        }
        toml::to_string_pretty(&whole.keys).unwrap_or_default()
    }

    /// The names that are asked of the same servers share a table, as far as one holds them.
    fn forward_tables(&self) -> Vec<(Vec<&str>, &Forward)> {
        let mut tables: Vec<(Vec<&str>, &Forward)> = Vec::new();
        let mut open: HashMap<(&[String], bool), usize> = HashMap::new();
        for forward in &self.forwards {
            let kind = (&*forward.to, forward.is_judged);
            let at = open.get(&kind).copied().filter(|at| tables[*at].0.len() < DOMAINS_MAX);
            match at {
                Some(at) => tables[at].0.push(&forward.domain),
                None => {
                    open.insert(kind, tables.len());
                    tables.push((vec![&forward.domain], forward));
                }
            }
        }
        tables
    }

    fn table<'a>(&mut self, key: &'a str) -> (&mut Table, &'a str) {
        let (path, last) = key.rsplit_once('.').unwrap_or(("", key));
        let mut table = &mut self.keys;
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let next = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
            // Invariant: no key is also the table of others.
            table = match next {
                Value::Table(next) => next,
                _ => unreachable!("{part} is a table"),
            };
        }
        (table, last)
    }
}

impl List {
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.insert("name".into(), self.name.as_str().into());
        table.insert("format".into(), self.format.into());
        match &self.holds {
            Holds::File(path) => table.insert("file".into(), path.as_str().into()),
            Holds::Lines(lines, _) => table.insert("lines".into(), values(lines)),
        };
        table
    }
}

fn values<T: AsRef<str>>(all: &[T]) -> Value {
    all.iter().map(|text| Value::from(text.as_ref())).collect::<Vec<_>>().into()
}

/// What the configuration holds: tables of `dns.forward`, names in one, `dns.lists`, and lines of one.
const FORWARD_TABLES_MAX: usize = 256;
const DOMAINS_MAX: usize = 64;
const LISTS_MAX: usize = 64;
const LINES_MAX: usize = 10_000;
