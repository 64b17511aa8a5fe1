// Builds the dashboard into dist/, which is committed, so that `cargo build` needs no Node.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** Where the daemon's API listens during development. */
const DAEMON = process.env.CONDUIT_URL ?? "http://127.0.0.1:9999";
/** An API token for development against a daemon without a session; never part of a build. */
const TOKEN = process.env.CONDUIT_TOKEN;
/** Files smaller than this are not worth a compressed form. */
const COMPRESS_BYTES_MIN = 512;

/** Writes NAME.br and NAME.gz beside each file of the build. */
function compressed(): Plugin {
  return {
    name: "conduit:compressed",
    apply: "build",
    async closeBundle() {
      const dist = join(import.meta.dirname, "dist");
      const entries = await readdir(dist, { recursive: true, withFileTypes: true });
      for (const entry of entries) {
        if (!entry.isFile() || !/\.(js|css|html|svg)$/.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const plain = await readFile(path);
        if (plain.length < COMPRESS_BYTES_MIN) continue;
        const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
        const forms = { br: brotliCompressSync(plain, { params }), gz: gzipSync(plain, { level: 9 }) };
        for (const [suffix, form] of Object.entries(forms)) {
          if (form.length < plain.length) await writeFile(`${path}.${suffix}`, form);
        }
      }
    },
  };
}

/** With CONDUIT_TOKEN, answers for the session itself: the token already speaks for it. */
function session(): Plugin {
  const body = JSON.stringify({ name: "developer", role: "admin", expires_at: "2099-01-01T00:00:00Z", csrf: "dev" });
  const answer = (request: { url?: string; method?: string }, response: import("node:http").ServerResponse, next: () => void) => {
    if (!TOKEN || request.url !== "/api/v1/session") return next();
    response.setHeader("content-type", "application/json");
    response.end(request.method === "DELETE" ? "{}" : body);
  };
  return {
    name: "conduit:session",
    configureServer: (server) => void server.middlewares.use(answer),
    configurePreviewServer: (server) => void server.middlewares.use(answer),
  };
}

const proxy = {
  "/api": {
    target: DAEMON,
    changeOrigin: true,
    // The daemon takes changes only from its own pages.
    headers: { origin: DAEMON, ...(TOKEN ? { authorization: `Bearer ${TOKEN}` } : {}) },
  },
};

export default defineConfig({
  plugins: [react(), tailwind(), session(), compressed()],
  server: { host: "127.0.0.1", port: 5173, strictPort: true, proxy },
  preview: {
    host: "127.0.0.1",
    port: 4173,
    strictPort: true,
    proxy,
    // The same policy as the daemon's (crates/admin/src/ui.rs).
    headers: {
      "content-security-policy":
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
  },
  build: {
    target: "es2023",
    cssTarget: ["chrome123", "firefox128", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: true,
  },
});

