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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_files_and_odd_ones_hold_the_property() {
        for text in [
            include_str!("../../../config/conduit.toml"),
            include_str!("../../../config/quickstart.toml"),
            "",
            "[gateway]\nstate_dir = \"a\\\"b\\u0007\"\n",
            "[gateway]\nstate_dir = \"../x/./y\"\ndomains = [\"A.b.\", \"a.b\"]\n",
            "[health]\ninterval = 1\n",
            "[health]\ninterval = \"90061001ms\"\ntimeout = \"1500ms\"\n",
            "[monitor]\nservers = [{ host = \"h\", tags = [\"x=\\\"]\"], port = 0 }]\n",
            "[upstreams]\nallow = [\"10.1.2.3/8\", \"fd00::1\"]\n",
            "[log]\nlevel = \"info,conduit_dns[{x=\\\"1\\\"}]=debug\"\n",
            "[dns]\nlisten = [\"auto\", \"[::1]:53\"]\n[dns]\n",
        ] {
            config_toml(text.as_bytes());
        }
        config_toml(b"\xff");
    }

    proptest::proptest! {
        #[test]
        fn any_text_holds_the_property(text in "(\\[(gateway|dns|health|log|proxy)\\]\n|[a-z_]{1,14} = [\"\\[0-9a-z:.,\\]]{0,20}\n){0,6}") {
            config_toml(text.as_bytes());
        }
    }
}
