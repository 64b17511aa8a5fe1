//! Words of a zone file: separated by blanks, in quotes where they hold some (RFC 1035 §5.1).
//!
//! **Invariant:** what [`quoted`] writes, [`words`] reads as one word of the same bytes.

/// One word, with its quotes and escapes undone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Word {
    pub(super) bytes: Vec<u8>,
}

impl Word {
    /// As text; `None` when it is no UTF-8.
    pub(super) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}

/// Reads words.
pub(super) fn words(text: &str) -> Result<Vec<Word>, &'static str> {
    let mut words = Vec::new();
    let mut current: Option<Word> = None;
    let mut is_quoted = false;
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => {
                is_quoted = !is_quoted;
                current.get_or_insert_default();
            }
            b'\\' => {
                let escaped = escaped(&mut rest)?;
                current.get_or_insert_default().bytes.push(escaped);
            }
            b' ' | b'\t' if !is_quoted => words.extend(current.take()),
            0..=31 | 127 => return Err("control characters are written as \\010"),
            _ => current.get_or_insert_default().bytes.push(byte),
        }
    }
    if is_quoted {
        return Err("a quote is not closed");
    }
    words.extend(current);
    Ok(words)
}

/// `\"` and `\\` are themselves, `\065` is the byte of that number.
fn escaped(rest: &mut std::str::Bytes<'_>) -> Result<u8, &'static str> {
    const WRONG: &str = "a backslash is followed by a character, or by three digits up to 255";
    let first = rest.next().ok_or(WRONG)?;
    if !first.is_ascii_digit() {
        return if first.is_ascii_graphic() || first == b' ' { Ok(first) } else { Err(WRONG) };
    }
    let mut number = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = rest.next().filter(u8::is_ascii_digit).ok_or(WRONG)?;
        number = number * 10 + u16::from(digit - b'0');
    }
    u8::try_from(number).map_err(|_| WRONG)
}

/// Writes bytes as one word in quotes.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\{byte:03}")),
        }
    }
    text.push('"');
    text
}
