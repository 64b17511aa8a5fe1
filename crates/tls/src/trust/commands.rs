//! How to make a platform trust the bundle, as commands to print or run.
//!
//! **Invariant:** the bundle's first certificate is the P-256 root, which alone is enough for
//! both chains: a store that takes one certificate, or no Ed25519, gets that one.

use std::fmt;

/// Where a trust bundle can be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Platform {
    /// Fetching the bundle and comparing its fingerprints.
    Download,
    /// Debian, Ubuntu and kin.
    Debian,
    /// RHEL, Fedora and kin.
    Fedora,
    /// Alpine.
    Alpine,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
    /// Firefox, and Chromium on Linux.
    Nss,
    /// Java.
    Java,
    /// Python.
    Python,
    /// Node.js.
    Node,
    /// Docker.
    Docker,
    /// curl, without installing anything.
    Curl,
    /// iPhone and iPad.
    Ios,
    /// Android.
    Android,
}

impl Platform {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 14] = [
        Self::Download,
        Self::Debian,
        Self::Fedora,
        Self::Alpine,
        Self::MacOs,
        Self::Windows,
        Self::Nss,
        Self::Java,
        Self::Python,
        Self::Node,
        Self::Docker,
        Self::Curl,
        Self::Ios,
        Self::Android,
    ];

    /// The word for flags and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Debian => "debian",
            Self::Fedora => "fedora",
            Self::Alpine => "alpine",
            Self::MacOs => "macos",
            Self::Windows => "windows",
            Self::Nss => "nss",
            Self::Java => "java",
            Self::Python => "python",
            Self::Node => "node",
            Self::Docker => "docker",
            Self::Curl => "curl",
            Self::Ios => "ios",
            Self::Android => "android",
        }
    }

    /// The heading for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Download => "Fetch the bundle and compare it",
            Self::Debian => "Debian, Ubuntu",
            Self::Fedora => "RHEL, Fedora",
            Self::Alpine => "Alpine",
            Self::MacOs => "macOS",
            Self::Windows => "Windows (as administrator)",
            Self::Nss => "Firefox, Chromium on Linux (NSS)",
            Self::Java => "Java",
            Self::Python => "Python",
            Self::Node => "Node.js",
            Self::Docker => "Docker",
            Self::Curl => "curl",
            Self::Ios => "iOS, iPadOS",
            Self::Android => "Android",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What to do on one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Where.
    pub platform: Platform,
    /// Commands, one after the other; empty where there is only a menu.
    pub commands: Vec<String>,
    /// What a person must know or do besides.
    pub note: Option<&'static str>,
}

/// The instructions for every platform.
///
/// `bundle` is the path of the bundle on the machine that is to trust it, absolute or relative to
/// where the commands are typed; `url` is where it can be fetched.
pub fn instructions(bundle: &str, url: &str) -> Vec<Instruction> {
    let bundle = Bundle {
        file: quoted(bundle),
        absolute: absolute(bundle),
        windows: bundle.replace('"', ""),
    };
    let url = quoted(url);
    Platform::ALL
        .into_iter()
        .map(|platform| Instruction {
            platform,
            commands: commands(platform, &bundle, &url),
            note: note(platform),
        })
        .collect()
}

/// The bundle's path in the spellings that commands need.
struct Bundle {
    /// For a command that is run at once.
    file: String,
    /// For what is read later and from elsewhere: variables, volumes of containers.
    absolute: String,
    /// For `cmd.exe`, between double quotes.
    windows: String,
}

fn commands(platform: Platform, bundle: &Bundle, url: &str) -> Vec<String> {
    let Bundle { file, absolute, windows } = bundle;
    match platform {
        Platform::Download => vec![
            format!("curl -fsS -o {file} {url}"),
            // Each certificate by itself: `openssl x509` reads only the first.
            format!(
                "awk '/BEGIN CERT/{{c=\"openssl x509 -noout -subject -fingerprint -sha256\"}} \
                 c{{print | c}} /END CERT/{{close(c);c=\"\"}}' {file}"
            ),
        ],
        Platform::Debian | Platform::Alpine => {
            vec![format!("sudo awk {SPLIT} {file}"), "sudo update-ca-certificates".into()]
        }
        Platform::Fedora => vec![
            format!("sudo cp {file} /etc/pki/ca-trust/source/anchors/conduit-ca.crt"),
            "sudo update-ca-trust".into(),
        ],
        Platform::MacOs => vec![format!(
            "sudo security add-trusted-cert -d -r trustRoot -k \
             /Library/Keychains/System.keychain {file}"
        )],
        Platform::Windows => vec![format!("certutil -addstore -f Root \"{windows}\"")],
        Platform::Nss => vec![
            "mkdir -p \"$HOME/.pki/nssdb\" && certutil -d sql:\"$HOME/.pki/nssdb\" -L \
             >/dev/null 2>&1 || certutil -d sql:\"$HOME/.pki/nssdb\" -N --empty-password"
                .into(),
            format!("certutil -d sql:\"$HOME/.pki/nssdb\" -A -t C,, -n conduit -i {file}"),
            format!(
                "for db in \"$HOME\"/.mozilla/firefox/*/cert9.db; do if [ -f \"$db\" ]; then \
                 certutil -d sql:\"$(dirname \"$db\")\" -A -t C,, -n conduit -i {file}; fi; done"
            ),
        ],
        Platform::Java => vec![format!(
            "sudo keytool -importcert -noprompt -cacerts -storepass changeit -alias conduit \
             -file {file}"
        )],
        Platform::Python => vec![
            format!("export SSL_CERT_FILE={absolute}"),
            format!("export REQUESTS_CA_BUNDLE={absolute}"),
        ],
        Platform::Node => vec![format!("export NODE_EXTRA_CA_CERTS={absolute}")],
        Platform::Docker => vec![
            format!(
                "sudo mkdir -p /etc/docker/certs.d/REGISTRY && sudo cp {file} \
                 /etc/docker/certs.d/REGISTRY/ca.crt"
            ),
            format!(
                "docker run -v {absolute}:/etc/ssl/certs/conduit-ca.crt:ro -e \
                 SSL_CERT_FILE=/etc/ssl/certs/conduit-ca.crt IMAGE"
            ),
        ],
        Platform::Curl => vec![format!("curl --cacert {file} https://HOST/")],
        Platform::Ios | Platform::Android => Vec::new(),
    }
}

fn note(platform: Platform) -> Option<&'static str> {
    Some(match platform {
        Platform::Download => {
            "compare every fingerprint with what `conduit ca fingerprint` prints on the gateway"
        }
        Platform::Windows => {
            "Windows reads the first certificate of the file, the P-256 root, which is enough"
        }
        Platform::Nss => {
            "needs certutil from libnss3-tools or nss-tools; NSS takes the P-256 root, which is \
             enough; restart the browser"
        }
        Platform::Java => "keytool takes the P-256 root, which is enough",
        Platform::Python => {
            "replaces the public roots for this shell; to have both, install the bundle in the \
             system's store and point SSL_CERT_FILE at that"
        }
        Platform::Docker => {
            "REGISTRY is a registry's host with its port; the second command is for programs in \
             containers, and replaces their public roots"
        }
        Platform::Ios => {
            "open the bundle's address in Safari, install the profile in Settings, then switch it \
             on under General, About, Certificate Trust Settings"
        }
        Platform::Android => {
            "open the bundle's address, then Settings, Security, Encryption and credentials, \
             Install a certificate, CA certificate"
        }
        _ => return None,
    })
}

/// A word that a POSIX shell takes as it is.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-:=%+,@".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The same, from the directory in which it is typed when it is relative.
fn absolute(path: &str) -> String {
    let word = quoted(path);
    match (path.starts_with('/'), word.starts_with('\'')) {
        (true, _) => word,
        (false, true) => format!("\"$PWD\"/{word}"),
        (false, false) => format!("\"$PWD/{word}\""),
    }
}

/// These stores want one certificate in each file.
const SPLIT: &str = "'/BEGIN CERT/{n++} \
                     n{print > \"/usr/local/share/ca-certificates/conduit-\" n \".crt\"}'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_has_something_to_do() {
        let all = instructions("/tmp/ca.crt", "http://gateway.internal/ca.crt");
        assert_eq!(all.len(), Platform::ALL.len());
        for instruction in &all {
            assert!(
                !instruction.commands.is_empty() || instruction.note.is_some(),
                "{}",
                instruction.platform
            );
        }
    }

    #[test]
    fn what_is_read_from_elsewhere_is_absolute() {
        for (bundle, path) in [
            ("ca.crt", "\"$PWD/ca.crt\""),
            ("my ca.crt", "\"$PWD\"/'my ca.crt'"),
            ("/srv/ca.crt", "/srv/ca.crt"),
        ] {
            let all = instructions(bundle, "http://g/ca.crt");
            for (platform, line, command) in [
                (Platform::Docker, 1, "docker run -v "),
                (Platform::Python, 0, "export SSL_CERT_FILE="),
                (Platform::Python, 1, "export REQUESTS_CA_BUNDLE="),
                (Platform::Node, 0, "export NODE_EXTRA_CA_CERTS="),
            ] {
                let found = all.iter().find(|i| i.platform == platform).expect("there");
                let command = format!("{command}{path}");
                assert!(found.commands[line].starts_with(&command), "{:?}", found.commands);
            }
        }
    }

    #[test]
    fn paths_survive_the_shell() {
        let all = instructions("/srv/o'brien & co/ca.crt", "http://g/ca.crt");
        let curl = all.iter().find(|i| i.platform == Platform::Curl).expect("curl");
        assert_eq!(curl.commands, [r"curl --cacert '/srv/o'\''brien & co/ca.crt' https://HOST/"]);
    }
}
