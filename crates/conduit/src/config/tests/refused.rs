//! Texts that are refused, and what is said about each.

/// A file, and a part of the report about it.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("[dns]\nlisen = []\n", "conduit.toml:2:1: unknown key `lisen`; did you mean `listen`?"),
    (
        "[[dns.forward]]\ndomains = [\"10.0.0.1\"]\nto = []\n",
        "conduit.toml:2:12: dns.forward: \"10.0.0.1\" is neither a domain nor a network",
    ),
    (
        "[[dns.forward]]\ndomains = [\"a.example\", \"A.example.\"]\nto = []\n",
        "conduit.toml:2:25: dns.forward: a.example is named twice",
    ),
    ("[[dns.forward]]\ndomains = []\nto = []\n", "dns.forward: domains names 0; give 1 to 64"),
    ("[[dns.forward]]\ndomains = [\"a.example\"]\n", "missing field `to`"),
    (
        "[[dns.forward]]\ndomains = [\"a.example\"]\nto = [\"dns.example\"]\n",
        "conduit.toml:3:7: dns.forward: \"dns.example\" is not a DNS server's address",
    ),
    (
        "[[dns.forward]]\ndomains = [\"a.example\"]\nto = [\"10.0.0.1\", \"127.0.0.1\"]\n",
        "conduit.toml:3:19: dns.forward: 127.0.0.1:53 is this gateway itself",
    ),
    (
        "[[dns.forward]]\ndomains = [\"corp.internal\"]\nto = [\"10.0.0.1\"]\n",
        "conduit.toml:2:12: dns.forward: corp.internal is under the internal domain internal",
    ),
    (
        "[[dns.views]]\nclients = [\"10.8.0.7/24\"]\naddresses = [\"fe80::1\"]\n",
        "conduit.toml:3:14: dns.views: fe80::1 is link-local",
    ),
    (
        "dns.views = [{ clients = [\"10.8.0.7/24\"], addresses = [\"10.8.0.1\"] },\n\
         { clients = [\"10.8.0.0/24\"], addresses = [\"10.8.0.2\"] }]\n",
        "conduit.toml:2:14: dns.views: 10.8.0.0/24 is named twice",
    ),
    (
        "[[dns.views]]\nclients = [\"10.8.0.0/24\"]\naddresses = []\n",
        "conduit.toml:1:1: dns.views: addresses names 0; give 1 to 16",
    ),
    (
        "[[dns.views]]\nclients = [\"vpn\"]\naddresses = [\"10.8.0.1\"]\n",
        "conduit.toml:2:12: dns.views: \"vpn\" is not a network",
    ),
    (
        "[gateway]\ndomains = [\"internal\"]\n[dns]\nmdns = true\n",
        "conduit.toml:4:8: dns.mdns: is about names under local, and the domains are internal; add",
    ),
    ("[dns]\nmdns_interfaces = [\"eth0:1\"]\n", "\"eth0:1\" is not an interface's name"),
    (
        "[dns]\ntrust_anchors = [\". IN A 10.0.0.1\"]\n",
        "dns.trust_anchors: \". IN A 10.0.0.1\" is neither a DS",
    ),
    (
        "[dns]\ntrust_anchors = [\". DS 1 5 1 00\"]\n",
        "that is not supported; algorithms are 8, 10, 13, 14 and 15",
    ),
    ("[dns]\ntrust_anchors = [\"\"]\n", "dns.trust_anchors: is empty"),
    ("[dns]\ninsecure_domains = [\"a b\"]\n", "dns.insecure_domains: \"a b\" is neither a domain"),
    (
        "[dns]\nhosts_files = [\"/etc/hosts\", \"/etc/./hosts\"]\n",
        "conduit.toml:2:15: dns.hosts_files: /etc/hosts is named twice; leave one of the two out",
    ),
    (
        "[dns]\nhosts_files = [\"/etc/hosts\"]\n[[dns.lists]]\nname = \"/etc/hosts\"\nlines = []\n",
        "dns.lists: \"/etc/hosts\" is a list already; name one of them otherwise",
    ),
    ("[dns]\nrebind_allow = [\"a b\"]\n", "dns.rebind_allow: \"a b\" is neither a domain"),
    (
        "[dns.cache]\nmin_ttl = \"10m\"\nmax_ttl = \"5m\"\n",
        "conduit.toml:2:11: dns.cache.min_ttl: is longer than dns.cache.max_ttl",
    ),
    ("[dns.cache]\nsize = \"1KB\"\n", "dns.cache.size: 1KB is out of range; use 100KB to 4GB"),
    (
        "[[dns.keys]]\nname = \"k\"\nalgorithm = \"hmac-md5\"\nsecret_env = \"K\"\n",
        "conduit.toml:3:13: dns.keys: \"hmac-md5\" cannot be used; use hmac-sha256",
    ),
    (
        "[[dns.keys]]\nname = \"k\"\nalgorithm = \"hmac-sha256\"\n",
        "dns.keys: has no secret; write secret_file or secret_env",
    ),
    (
        "[[dns.keys]]\nname = \"k\"\nalgorithm = \"hmac-sha256\"\nsecret_env = \"K\"\nsecret_file = \"k\"\n",
        "conduit.toml:4:14: dns.keys: secret_file is given too; keep one",
    ),
    (
        "[[dns.keys]]\nname = \"k\"\nalgorithm = \"hmac-sha256\"\nsecret_env = \"K\"\nupdate = [\"x NS\"]\n",
        "conduit.toml:5:11: dns.keys: \"x NS\" does not say which records",
    ),
    (
        "[dns]\nnotify = [\"10.0.0.9#k\"]\n",
        "conduit.toml:2:11: dns.notify: k is no key of dns.keys",
    ),
    (
        "[dns]\nnotify = [\"ns2.internal\"]\n",
        "dns.notify: \"ns2.internal\" is not a server to notify; write ADDRESS",
    ),
    (
        "[[dns.records]]\nname = \"nas.internal\"\ntype = \"A\"\ndata = \"10.0.0\"\n",
        "conduit.toml:4:8: dns.records: \"10.0.0\" is not an IPv4 address; A takes an IPv4 address",
    ),
    (
        "[[dns.records]]\nname = \"nas.internal\"\ntype = \"NS\"\ndata = \"x\"\n",
        "conduit.toml:3:8: dns.records: NS records are Conduit's own",
    ),
    (
        "[[dns.records]]\nname = \"nas.example\"\ntype = \"A\"\ndata = \"10.0.0.7\"\n",
        "conduit.toml:2:8: dns.records: nas.example is not under a configured domain",
    ),
    (
        "[[dns.records]]\nname = \"a.internal\"\ntype = \"A\"\ndata = \"10.0.0.7\"\nttl = \"8d\"\n",
        "conduit.toml:5:7: dns.records: 8d is not a TTL",
    ),
    (
        "[[dns.records]]\nname = \"a.internal\"\ntyp = \"A\"\ndata = \"10.0.0.7\"\n",
        "conduit.toml:3:1: unknown key `typ`; did you mean `type`?",
    ),
    (
        "dns.records = [{ name = \"a.internal\", type = \"A\", data = \"10.0.0.7\" },\n\
         { name = \"a.internal\", type = \"CNAME\", data = \"b.internal\" }]\n",
        "conduit.toml:2:1: dns.records: a.internal CNAME b.internal cannot be beside a.internal A 10.0.0.7",
    ),
    ("[dsn]\n", "conduit.toml:1:2: unknown key `dsn`; did you mean `dns`?"),
    (
        "[tls]\nforwarders = []\n",
        "conduit.toml:2:1: unknown key `forwarders` here; it belongs in [dns]",
    ),
    (
        "[health]\ninterval = 0\n",
        "conduit.toml:2:12: health.interval: 0s is out of range; use 1s to 1h",
    ),
    (
        "[health]\ninterval = \"soon\"\n",
        "conduit.toml:2:12: health.interval: \"soon\" is not a duration",
    ),
    (
        "[health]\ninterval = \"2s\"\ntimeout = \"3s\"\n",
        "conduit.toml:3:11: health.timeout: is longer than health.interval",
    ),
    ("[dns]\nrate_limit = -1\n", "dns.rate_limit: \"-1\" is not a whole number from 0 to 1000000"),
    (
        "[health]\nunhealthy_after = 0\n",
        "health.unhealthy_after: \"0\" is not a whole number from 1 to 100",
    ),
    (
        "[proxy.limits]\nconnections = 4\n",
        "conduit.toml:2:15: proxy.limits.connections: \"4\" is not a whole number from 16 to 1000000",
    ),
    (
        "[proxy.limits]\nconnections = 100\nconnections_per_client = 200\n",
        "proxy.limits.connections_per_client: is more than proxy.limits.connections",
    ),
    (
        "[proxy.limits]\nhead_size = \"1MiB\"\n",
        "proxy.limits.head_size: 1MiB is out of range; use 8KiB to 128KiB",
    ),
    (
        "[proxy]\nhead_timeout = \"10s\"\n",
        "unknown key `head_timeout` here; it belongs in [proxy.limits]",
    ),
    (
        "[proxy.limits]\nidle_time = \"10s\"\n",
        "unknown key `idle_time`; did you mean `idle_timeout`?",
    ),
    (
        "[admin.oidc]\nissuer = \"https://login.internal\"\nroles = { viewer = [\"*\"] }\n",
        "conduit.toml:2:10: admin.oidc.client_id: is missing",
    ),
    (
        "[admin.oidc]\nissuer = \"https://login.internal\"\nclient_id = \"conduit\"\n",
        "conduit.toml:2:10: admin.oidc.roles: nobody would get in",
    ),
    (
        "[admin.oidc]\nissuer = \"http://login.internal\"\n",
        "admin.oidc.issuer: \"http://login.internal\" is not protected by TLS",
    ),
    (
        "[admin.oidc]\nsecret_file = \"/a\"\nsecret_env = \"B\"\n",
        "conduit.toml:3:14: admin.oidc.secret_env: secret_file is given too; keep one",
    ),
    ("[admin.oidc.roles]\nadmins = []\n", "unknown key `admins`; did you mean `admin`?"),
    ("[health]\npath = \"up\"\n", "conduit.toml:2:8: health.path: \"up\" is not a probe path"),
    ("[gateway]\ndomains = []\n", "conduit.toml:2:11: gateway.domains: at least one domain"),
    (
        "[gateway]\ndomains = [\"ok\", \"a..b\"]\n",
        "conduit.toml:2:18: gateway.domains: \"a..b\" is not a host name",
    ),
    (
        "[gateway]\naddresses = [\"0.0.0.0\"]\n",
        "gateway.addresses: 0.0.0.0 is not an address that clients can reach",
    ),
    ("[gateway]\ndrain = \"2h\"\n", "gateway.drain: 2h is out of range; use 0s to 1h"),
    ("[tls]\nmin_version = \"1.2\"\n", "tls.min_version: TLS 1.2 is not offered by this build"),
    ("[tls]\nleaf_validity = \"10y\"\n", "tls.leaf_validity: \"10y\" is not a duration"),
    (
        "[tls]\nleaf_validity = \"9999d\"\n",
        "tls.leaf_validity: 9999d is out of range; use 1h to 825d",
    ),
    (
        "[proxy]\ntrusted_proxies = [\"10.0.0.1\", \"proxy.internal\"]\n",
        "conduit.toml:2:32: proxy.trusted_proxies: \"proxy.internal\" is not a network",
    ),
    ("[proxy]\nworkers = 5000\n", "proxy.workers: \"5000\" is not a whole number from 0 to 1024"),
    (
        "[proxy]\nhttps_listen = [\"443\"]\n",
        "conduit.toml:2:17: proxy.https_listen: \"443\" is not an address",
    ),
    (
        "[proxy]\nhttps_listen = []\nhttp_listen = []\n",
        "proxy.https_listen: is empty, and http_listen too",
    ),
    ("[dns]\nlisten = []\n", "dns.listen: is empty; give an address, or set dns.enabled = false"),
    (
        "[dns]\nenabled = \"yes\"\n",
        "conduit.toml:2:11: enabled: invalid type: string \"yes\", expected a boolean",
    ),
    (
        "[dns]\nforwarders = [\"127.0.0.1\"]\n",
        "conduit.toml:2:15: dns.forwarders: 127.0.0.1:53 is this gateway itself",
    ),
    (
        "[gateway]\naddresses = [\"10.0.0.9\"]\n[dns]\nforwarders = [\"10.0.0.9:5353\", \"10.0.0.9\"]\n",
        "conduit.toml:4:32: dns.forwarders: 10.0.0.9:53 is this gateway itself",
    ),
    (
        "[dns]\nforwarders = [\"10.0.0.1\", \"tls://dns.example\"]\n",
        "conduit.toml:2:27: dns.forwarders: \"dns.example\" is not an address, and a name would have",
    ),
    (
        "[dns]\ntls_listen = [\"127.0.0.1:853\"]\nforwarders = [\"tls://127.0.0.1#a.example\"]\n",
        "conduit.toml:3:15: dns.forwarders: tls://127.0.0.1:853#a.example is this gateway itself",
    ),
    (
        "[[dns.forward]]\ndomains = [\"a.example\"]\nto = [\"https://127.0.0.1#b.example\"]\n",
        "dns.forward: https://127.0.0.1:443/dns-query#b.example is this gateway itself",
    ),
    (
        "[dns]\ntls_listen = [\"127.0.0.1:853\"]\n[admin]\nlisten = \"127.0.0.1:853\"\n",
        "admin.listen: 127.0.0.1:853 is taken by dns.tls_listen",
    ),
    (
        "[upstreams]\nallow = [\"10.0.0.0/40\"]\n",
        "upstreams.allow: \"10.0.0.0/40\" is not a network",
    ),
    (
        "[tls]\nenabled = false\n[proxy]\nhttp3 = true\n",
        "conduit.toml:4:9: proxy.http3: needs HTTPS; set tls.enabled = true",
    ),
    ("[log]\nlevel = \"x=loud\"\n", "log.level: \"x=loud\" is not a log level"),
    (
        "[log]\nformat = \"xml\"\n",
        "log.format: \"xml\" is not a log format; use auto, text or json",
    ),
    (
        "[monitor]\nservers = [{ host = \"-oProxyCommand=x\" }]\n",
        "monitor.servers: \"-oProxyCommand=x\" is not a host for SSH",
    ),
    (
        "[monitor]\nunits = [\"docker\"]\n",
        "conduit.toml:2:10: monitor.units: \"docker\" is not a systemd unit; write it whole",
    ),
    (
        "[monitor]\nunits = [\"-x.service\"]\n",
        "monitor.units: \"-x.service\" is not a systemd unit",
    ),
    (
        "[[monitor.rules]]\nname = \"gpu-hot\"\nthreshold = \"hot\"\n",
        "monitor.rules: rule \"gpu-hot\", threshold: ",
    ),
    (
        "[[monitor.rules]]\nname = \"mine\"\nmetrik = \"cpu\"\n",
        "unknown key `metrik`; did you mean `metric`?",
    ),
    ("[[monitor.channels]]\nname = \"ops\"\nkind = \"pigeon\"\n", "monitor.channels: "),
    (
        "[[monitor.quiet_hours]]\nfrom = \"25:00\"\nto = \"07:00\"\n",
        "monitor.quiet_hours: quiet hours, from: \"25:00\" is not a time such as 22:00",
    ),
    ("[monitor]\nunit = []\n", "unknown key `unit`; did you mean `units`?"),
    (
        "[monitor]\nregister_container = true\n",
        "unknown key `register_container`; did you mean `register_containers`?",
    ),
    ("[monitor.history]\nfines = \"1d\"\n", "unknown key `fines`; did you mean `fine`?"),
    (
        "[monitor.history]\nfine = \"8d\"\n",
        "conduit.toml:2:8: monitor.history.fine: 8d is out of range; use 1h to 7d",
    ),
    (
        "[monitor.history]\nfine = \"2d\"\ncoarse = \"1d\"\n",
        "conduit.toml:2:8: monitor.history.fine: is longer than monitor.history.coarse",
    ),
    (
        "[monitor.history]\nsize = \"1MB\"\n",
        "monitor.history.size: 1MB is out of range; use 10MB to 100GB",
    ),
    ("[admin]\nlisten = \"9999\"\n", "admin.listen: \"9999\" is not an address"),
    ("[dns]\nttl = \n", "conduit.toml:2:"),
    ("dns = 5\n", "conduit.toml:1:7: dns: invalid type: integer `5`"),
];
