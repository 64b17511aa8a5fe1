//! A Caddyfile as lines of words, some with a block of further lines.
//!
//! **Invariant:** blocks are at most [`DEPTH_MAX`] deep; whatever is unbalanced is refused with its line.

/// A line, with what stands between its braces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) words: Vec<String>,
    pub(super) block: Option<Vec<Self>>,
}

/// The number of a line, and its words.
type Numbered = (usize, Vec<String>);

/// Reads a text.
///
/// # Errors
/// The line, and what is wrong with it.
pub(super) fn read(text: &str) -> Result<Vec<Line>, (usize, &'static str)> {
    let mut open: Vec<Line> = vec![Line { number: 0, words: Vec::new(), block: Some(Vec::new()) }];
    for (number, mut words) in tokens(text)? {
        if words == ["}"] {
            let Some(done) = open.pop().filter(|_| !open.is_empty()) else {
                return Err((number, "a brace closes that was not open"));
            };
            append(&mut open, done);
            continue;
        }
        let opens = words.last().is_some_and(|word| word == "{");
        if opens {
            words.pop();
        }
        let line = Line { number, words, block: opens.then(Vec::new) };
        match opens {
            true if open.len() > DEPTH_MAX => return Err((number, "blocks are too deep")),
            true => open.push(line),
            false => append(&mut open, line),
        }
    }
    match open.len() {
        1 => Ok(open.pop().and_then(|all| all.block).unwrap_or_default()),
        _ => Err((open.last().map_or(1, |line| line.number), "a brace is not closed")),
    }
}

fn append(open: &mut [Line], line: Line) {
    if let Some(Line { block: Some(block), .. }) = open.last_mut() {
        block.push(line);
    }
}

/// The words of each line, each line with its number.
fn tokens(text: &str) -> Result<Vec<Numbered>, (usize, &'static str)> {
    let mut lines = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let (mut number, mut since) = (1, 1);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\n' => {
                number += 1;
                if !words.is_empty() {
                    lines.push((since, std::mem::take(&mut words)));
                }
                since = number;
            }
            '\\' if characters.peek() == Some(&'\n') => {
                characters.next();
                number += 1;
            }
            '#' => while characters.next_if(|c| *c != '\n').is_some() {},
            '"' | '`' => {
                let mut word = String::new();
                loop {
                    match characters.next() {
                        None => return Err((since, "a text is not closed")),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' && characters.peek() == Some(&'"') => {
                            word.extend(characters.next());
                        }
                        Some(inner) => {
                            number += usize::from(inner == '\n');
                            word.push(inner);
                        }
                    }
                }
                words.push(word);
            }
            _ if c.is_whitespace() => {}
            _ => {
                let mut word = String::from(c);
                while let Some(next) = characters.next_if(|c| !c.is_whitespace()) {
                    word.push(next);
                }
                words.push(word);
            }
        }
    }
    if !words.is_empty() {
        lines.push((since, words));
    }
    Ok(lines)
}

/// More is no Caddyfile that people write.
const DEPTH_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_with_their_lines() {
        let text = "# c\n{\n\tlocal_certs\n}\na.internal, b.internal {\n\treverse_proxy \"x y\" \\\n  :80 {\n\
            \t\theader_up Host `a\"b`\n\t}\n}\n";
        let lines = read(text).expect("reads");
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].number, lines[0].words.len()), (2, 0));
        assert_eq!(lines[1].words, ["a.internal,", "b.internal"]);
        let proxy = &lines[1].block.as_ref().expect("a block")[0];
        assert_eq!((proxy.number, proxy.words.len()), (6, 3));
        assert_eq!(proxy.words, ["reverse_proxy", "x y", ":80"]);
        assert_eq!(proxy.block.as_ref().expect("a block")[0].words[2], "a\"b");
        for (text, line) in [("a {\n", 1), ("}\n", 1), ("a \"b\n", 1), (&"a {\n".repeat(20), 17)] {
            assert_eq!(read(text).expect_err(text).0, line, "{text:?}");
        }
    }
}
