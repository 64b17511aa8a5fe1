//! Texts that devices and processes choose, made fit to be shown.

/// Without control characters, and not too long.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
}

/// A program's name without its path: of `/usr/bin/python3`, `python3`.
pub(super) fn program(path: &str) -> String {
    let name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
    clean(name)
}

/// The longest name that is kept, in characters.
const TEXT_CHARS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_fit_to_be_shown() {
        assert_eq!(program("/opt/vllm/bin/python3"), "python3");
        assert_eq!(program("VLLM::EngineCore"), "VLLM::EngineCore");
        assert_eq!((program(""), program("///")), (String::new(), String::new()));
        assert_eq!(clean("a\u{1b}[31mb\n"), "a[31mb");
        assert_eq!(clean(&"ü".repeat(500)).chars().count(), TEXT_CHARS_MAX);
    }
}
