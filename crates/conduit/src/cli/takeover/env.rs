//! A `.env.conduit`: its variables as keys of the configuration.
//!
//! The gateway reads such a file itself where it stands beside the configuration; this is for whoever wants
//! to be without it.

use toml::Value;

use super::found::Found;
use super::source::Lines;

/// Takes an environment file over.
pub(crate) fn read(lines: &Lines, found: &mut Found) {
    for (place, text) in lines.iter() {
        let line = text.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            found.leave(&place, line, "this is no NAME=VALUE");
            continue;
        };
        let value = value.trim().trim_matches(['"', '\'']).trim();
        if value.is_empty() {
            continue;
        }
        if let Err(reason) = variable(name.trim(), value, found) {
            found.leave(&place, line, reason);
        }
    }
}

fn variable(name: &str, value: &str, found: &mut Found) -> Result<(), String> {
    let parts = || value.split(',').map(str::trim).filter(|part| !part.is_empty());
    let texts = || Value::Array(parts().map(Value::from).collect());
    let port = || value.parse::<u16>().map_err(|_| format!("{value:?} is no port"));
    let settings = &mut found.settings;
    match name {
        "CONDUIT_CONFIG_DIR" => settings.set("gateway.state_dir", value),
        "CONDUIT_DOMAIN" => {
            for domain in parts().chain(["internal", "local", "test"]) {
                settings.push("gateway.domains", domain);
            }
        }
        "CONDUIT_DNS_PORT" => {
            settings.set("dns.listen", vec![Value::from(format!("auto:{}", port()?))])
        }
        // The original wrote 127.0.0.1 where it meant that nothing is forwarded.
        "CONDUIT_DNS_UPSTREAM" if matches!(value, "127.0.0.1" | "none") => {}
        "CONDUIT_DNS_UPSTREAM" => settings.set("dns.forwarders", texts()),
        "CONDUIT_CADDY_HTTPS_PORT" | "CONDUIT_HTTPS_PORT" => {
            settings.set("proxy.https_listen", vec![Value::from(format!("0.0.0.0:{}", port()?))]);
        }
        "CONDUIT_HTTP_PORT" => {
            settings.set("proxy.http_listen", vec![Value::from(format!("0.0.0.0:{}", port()?))]);
        }
        "CONDUIT_HEALTH_INTERVAL" => {
            let seconds = value.parse::<u32>().map(|seconds| format!("{seconds}s"));
            settings.set("health.interval", seconds.unwrap_or_else(|_| value.to_owned()));
        }
        "CONDUIT_DOCKER_SOCKET" => settings.set("monitor.docker_socket", value),
        "CONDUIT_ALLOWED_UPSTREAMS" => settings.set("upstreams.allow", texts()),
        "CONDUIT_SOCKET" => settings.set("admin.socket", value),
        "CONDUIT_OTLP" => settings.set("telemetry.otlp", value),
        "CONDUIT_LOG" => settings.set("log.level", value),
        "CONDUIT_LOG_FORMAT" => settings.set("log.format", value),
        "CONDUIT_REMOTE_SERVERS" => {
            return Err(
                "machines are added with `conduit monitor add`, or stay in this file".into()
            );
        }
        "CONDUIT_APP_NAME" => return Err("set gateway.state_dir instead".into()),
        "CONDUIT_CADDY_ADMIN" => {
            return Err("there is no Caddy; the control plane is admin.listen".into());
        }
        _ => return Err("this variable means nothing here".into()),
    }
    Ok(())
}
