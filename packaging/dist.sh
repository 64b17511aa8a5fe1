#!/bin/sh
# Makes dist/conduit-VERSION-TARGET.tar.gz: binary, configuration, licence, documents, checksums.
set -eu

cd "$(dirname "$0")/.."
version=$1
target=$(rustc -vV | sed -n 's/^host: //p')
name="conduit-$version-$target"

cargo build --release --locked --package conduit
rm -rf "dist/$name"
mkdir -p "dist/$name/completions" "dist/$name/man"
cp target/release/conduit LICENSE README.md CHANGELOG.md config/conduit.toml config/quickstart.toml \
    packaging/systemd/conduit.service "dist/$name/"
# What README.md links to, at the same places.
cp -R docs examples config SECURITY.md CONTRIBUTING.md "dist/$name/"
cp --parents benches/README.md conformance/README.md conformance/http/README.md fuzz/README.md "dist/$name/"
find "dist/$name" -name '*.md' | while read -r page; do
    grep -o '](\([^)#:]*\)[)#]' "$page" | sed 's/^](//; s/[)#]$//' | while read -r link; do
        [ -e "$(dirname "$page")/$link" ] || echo "$page: $link is not in the archive"
    done
done > "dist/$name.links"
if [ -s "dist/$name.links" ]; then
    cat "dist/$name.links" >&2
    exit 1
fi
rm "dist/$name.links"
for shell in bash zsh fish; do
    "./dist/$name/conduit" completions "$shell" > "dist/$name/completions/conduit.$shell"
done
"./dist/$name/conduit" man > "dist/$name/man/conduit.1"
(cd "dist/$name" && find . -type f ! -name SHA256SUMS | sort | xargs sha256sum > SHA256SUMS)
# Same input, same archive: fixed order, owner and time.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-0}" \
    -C dist -cf - "$name" | gzip -n > "dist/$name.tar.gz"
(cd dist && sha256sum "$name.tar.gz" > "$name.tar.gz.sha256")
ls -l "dist/$name/conduit" "dist/$name.tar.gz"
