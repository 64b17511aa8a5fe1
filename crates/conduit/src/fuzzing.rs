//! Fuzz doors of this crate: the bodies of the targets, replayed by the tests.

use crate::config::{Config, Surroundings};

/// A configuration file either is refused with a reason, or yields a configuration whose shown
/// form parses to the same configuration.
pub fn config_toml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let surroundings = Surroundings {
        root: false,
        home: Some("/home/ops".into()),
        working_dir: "/srv".into(),
        variables: std::collections::BTreeMap::new(),
    };
    match Config::parse(text, &surroundings) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(config) => {
            let shown = config.show();
            match Config::parse(&shown, &surroundings) {
                Ok(again) => assert_eq!(again, config, "{shown}"),
                Err(error) => panic!("{error}\n{shown}"),
            }
        }
    }
}

/// A file of another program: one octet for its kind, then the file. Whatever is in it, each line ends in
/// something that the gateway can hold, a configuration that can be read, or a reason.
pub fn import_file(data: &[u8]) {
    crate::cli::import_file(data);
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;
    use super::*;

    #[test]
    fn seeds_hold() {
        replay("config_toml", config_toml);
        replay("import_file", import_file);
    }

    proptest::proptest! {
        #[test]
        fn any_text_holds_the_property(text in "(\\[(gateway|dns|health|log|proxy)\\]\n|[a-z_]{1,14} = [\"\\[0-9a-z:.,\\]]{0,20}\n){0,6}") {
            config_toml(text.as_bytes());
        }
    }
}
