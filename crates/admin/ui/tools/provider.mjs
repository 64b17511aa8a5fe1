// A provider of identities for the walk: a certified implementation of OpenID Connect, with its own pages to
// sign in and to consent. Whoever comes as ada is in the group "conduit-admins", everybody else in "guests".
//
// node tools/provider.mjs PORT REDIRECT
import Provider from "oidc-provider";

const [port, redirect] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const groups = (name) => (name === "ada" ? ["conduit-admins"] : ["guests"]);
const provider = new Provider(issuer, {
  clients: [{ client_id: "conduit", client_secret: "a secret of the walk", redirect_uris: [redirect], grant_types: ["authorization_code"], response_types: ["code"] }],
  claims: { profile: ["preferred_username", "groups"] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id, groups: groups(id) }) }),
  cookies: { keys: ["of the walk"] },
  pkce: { required: () => true },
});
provider.listen(Number(port), "127.0.0.1");
