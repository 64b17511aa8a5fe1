import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ApiFailure, part, post, remove } from "../api/client";
import { configQuery, queryClient, statusQuery, tokensQuery, usersQuery } from "../api/queries";
import type { NewToken, ReloadReply, Role, Token, User } from "../api/types";
import { bytes, date, duration } from "../lib/format";
import { Badge, Button, Card, Empty, Facts, Failure, Field, pendingPart, Segments, Snippet } from "../parts/basics";
import { Confirm, Dialog } from "../parts/Dialog";
import { type Column, Rows } from "../parts/Rows";
import { Page } from "../shell/Shell";
import { Doctor } from "./Doctor";
import { ROLES } from "../lib/roles";
import { type Theme, toast, toastFailure, useApp, useMay } from "../store";
import { words } from "../strings";

const say = words.settings;
/** Days that a token can be good for; 0 is for ever. */
const TOKEN_DAYS = [30, 90, 365, 0];

export default function Settings() {
  const isOurs = useMay("administer");
  const mayReview = useMay("review");
  return (
    <Page title={words.views.settings}>
      <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 xl:grid-cols-[minmax(0,1.7fr)_minmax(0,1fr)]">
        <div className="flex min-w-0 flex-col gap-4">
          {mayReview ? <><Tokens isOurs={isOurs} /><Users isOurs={isOurs} /></> : <Card title={say.tokens}><p className="text-t2">{say.adminsOnly}</p></Card>}
          <Config mayReload={isOurs} />
        </div>
        <div className="flex min-w-0 flex-col gap-4"><Doctor /><Gateway /><Appearance />{isOurs && <Backup />}</div>
      </div>
    </Page>
  );
}

const stateOf = (token: Token) => token.revoked_at ? say.revoked : token.expires_at && Date.parse(token.expires_at) < Date.now() ? say.expired : null;

function Tokens({ isOurs }: { isOurs: boolean }) {
  const query = useQuery(tokensQuery);
  const [isMaking, setMaking] = useState(false);
  const [revoked, setRevoked] = useState<Token | null>(null);
  const refresh = () => void queryClient.invalidateQueries({ queryKey: ["tokens"] });
  const revoke = useMutation({ mutationFn: (token: Token) => remove(`/tokens/${part(token.id)}`), onSuccess: (_, token) => { toast("ok", say.revokedDone(token.name)); refresh(); }, onError: toastFailure, onSettled: () => setRevoked(null) });
  const tokens = [...(query.data?.tokens ?? [])].sort((a, b) => Number(stateOf(a) !== null) - Number(stateOf(b) !== null) || b.created_at.localeCompare(a.created_at));
  const columns: Column<Token>[] = [
    { key: "name", label: words.name, width: 1.5, cell: (token) => <span className="block truncate" title={token.scopes.join(" ")}><span className="font-medium">{token.name}</span>{token.scopes.length > 0 && <span className="text-xs text-t3"> {token.scopes.join(" ")}</span>}</span> },
    { key: "role", label: say.role, width: "6.5rem", cell: (token) => <Badge tone={token.role === "admin" ? "info" : "none"}>{token.role}</Badge> },
    { key: "created", label: say.created, width: "7rem", hide: "md", cell: (token) => <span className="text-t3">{date(token.created_at)}</span> },
    { key: "expires", label: say.expires, width: "7rem", hide: "sm", cell: (token) => <span className="text-t3">{token.expires_at ? date(token.expires_at) : words.never}</span> },
    { key: "act", label: <span className="sr-only">{words.services.actions}</span>, width: "6.5rem", end: true, cell: (token) => stateOf(token) ?? (isOurs && <Button small aria-label={`${say.revoke} ${token.name}`} onClick={() => setRevoked(token)}>{say.revoke}</Button>) },
  ];
  return (
    <Card title={say.tokens} aside={isOurs && <Button small icon="plus" onClick={() => setMaking(true)}>{say.newToken}</Button>} bare>
      <p className="px-4 pb-2 text-t2">{say.tokensText}</p>
      {pendingPart(query, 3) ?? (tokens.length === 0 ? <Empty icon="key" title={say.noTokens} text={say.tokensText} /> : <Rows label={say.tokens} items={tokens} columns={columns} keyOf={(token) => token.id} rowHeight={40} dim={(token) => stateOf(token) !== null} />)}
      {isMaking && <MakeToken onClose={() => { setMaking(false); refresh(); }} />}
      {revoked && <Confirm danger title={say.revokeTitle(revoked.name)} text={say.revokeText} action={say.revoke} isBusy={revoke.isPending} onConfirm={() => revoke.mutate(revoked)} onClose={() => setRevoked(null)} />}
    </Card>
  );
}

function RoleField({ role, onChange }: { role: Role; onChange: (role: Role) => void }) {
  return <Field id="role" label={say.role} hint={say.roles[role]}><select id="role" className="field" value={role} onChange={(event) => onChange(event.target.value as Role)}>{ROLES.map((role) => <option key={role}>{role}</option>)}</select></Field>;
}

function MakeToken({ onClose }: { onClose: () => void }) {
  const [scopes, setScopes] = useState("");
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [days, setDays] = useState(90);
  const make = useMutation({ mutationFn: () => post<NewToken>("/tokens", { name: name.trim(), role, scopes: scopes.split(/[\s,]+/).filter(Boolean), ...(days > 0 ? { expires_in_seconds: days * 86_400 } : {}) }) });
  if (make.data) {
    return <Dialog title={say.secret} onClose={onClose} footer={<Button look="primary" onClick={onClose}>{say.done}</Button>}><div className="flex flex-col gap-3 px-5 py-4"><p className="text-t2">{say.secretText}</p><Snippet text={make.data.secret} label={say.secret} /></div></Dialog>;
  }
  return (
    <Dialog title={say.newToken} onClose={onClose} footer={<><Button onClick={onClose}>{words.cancel}</Button><Button look="primary" type="submit" form="token-form" isBusy={make.isPending} disabled={!name.trim()}>{say.newToken}</Button></>}>
      <form id="token-form" className="flex flex-col gap-4 px-5 py-4" onSubmit={(event: FormEvent) => { event.preventDefault(); make.mutate(); }}>
        <Field id="token-name" label={words.name}><input id="token-name" data-autofocus className="field" value={name} maxLength={80} autoComplete="off" spellCheck={false} onChange={(event) => setName(event.target.value)} /></Field>
        <Field id="token-scopes" label={say.scopes} hint={say.scopesHint} optional><input id="token-scopes" className="field" value={scopes} maxLength={400} autoComplete="off" spellCheck={false} aria-describedby="token-scopes-note" placeholder="services:web-* metrics" onChange={(event) => setScopes(event.target.value)} /></Field>
        <RoleField role={role} onChange={setRole} />
        <Field id="days" label={say.good}><select id="days" className="field" value={days} onChange={(event) => setDays(Number(event.target.value))}>{TOKEN_DAYS.map((days) => <option key={days} value={days}>{days === 0 ? words.never : `${days} d`}</option>)}</select></Field>
        {make.error && <Failure error={make.error} />}
      </form>
    </Dialog>
  );
}

function Users({ isOurs }: { isOurs: boolean }) {
  const query = useQuery(usersQuery);
  const [isMaking, setMaking] = useState(false);
  const [removed, setRemoved] = useState<User | null>(null);
  const refresh = () => void queryClient.invalidateQueries({ queryKey: ["users"] });
  const act = useMutation({ mutationFn: (user: User) => remove(`/users/${part(user.name)}`), onSuccess: (_, user) => { toast("ok", say.userRemoved(user.name)); refresh(); }, onError: toastFailure, onSettled: () => setRemoved(null) });
  // A gateway without users has no such path.
  if (query.error instanceof ApiFailure && query.error.status === 404) return null;
  const columns: Column<User>[] = [
    { key: "name", label: words.name, width: 1, cell: (user) => <span className="font-medium">{user.name}</span> },
    { key: "role", label: say.role, width: "6.5rem", cell: (user) => <Badge tone={user.role === "admin" ? "info" : "none"}>{user.role}</Badge> },
    { key: "act", label: <span className="sr-only">{words.services.actions}</span>, width: "6.5rem", end: true, cell: (user) => isOurs && <Button small aria-label={`${say.removeUser} ${user.name}`} onClick={() => setRemoved(user)}>{say.removeUser}</Button> },
  ];
  return (
    <Card title={say.users} aside={isOurs && <Button small icon="plus" onClick={() => setMaking(true)}>{say.newUser}</Button>} bare>
      <p className="px-4 pb-2 text-t2">{say.usersText}</p>
      {pendingPart(query, 2) ?? (query.data?.users.length === 0 ? <Empty icon="user" title={say.noUsers} text={say.usersText} /> : <Rows label={say.users} items={query.data?.users ?? []} columns={columns} keyOf={(user) => user.name} rowHeight={40} />)}
      {isMaking && <MakeUser onClose={() => { setMaking(false); refresh(); }} />}
      {removed && <Confirm danger title={say.removeUserTitle(removed.name)} text={say.removeUserText} action={say.removeUser} isBusy={act.isPending} onConfirm={() => act.mutate(removed)} onClose={() => setRemoved(null)} />}
    </Card>
  );
}

function MakeUser({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const make = useMutation({ mutationFn: () => post("/users", { name: name.trim(), role, ...(password ? { password } : {}) }), onSuccess: () => { toast("ok", say.userAdded(name.trim())); onClose(); } });
  return (
    <Dialog title={say.newUser} onClose={onClose} footer={<><Button onClick={onClose}>{words.cancel}</Button><Button look="primary" type="submit" form="user-form" isBusy={make.isPending} disabled={!name.trim()}>{say.newUser}</Button></>}>
      <form id="user-form" className="flex flex-col gap-4 px-5 py-4" onSubmit={(event: FormEvent) => { event.preventDefault(); make.mutate(); }}>
        <Field id="user-name" label={words.name}><input id="user-name" data-autofocus className="field" value={name} maxLength={80} autoComplete="off" spellCheck={false} autoCapitalize="none" onChange={(event) => setName(event.target.value)} /></Field>
        <RoleField role={role} onChange={setRole} />
        <Field id="user-password" label={say.password} optional><input id="user-password" type="password" className="field" value={password} autoComplete="new-password" onChange={(event) => setPassword(event.target.value)} /></Field>
        {make.error && <Failure error={make.error} />}
      </form>
    </Dialog>
  );
}

function Config({ mayReload }: { mayReload: boolean }) {
  const query = useQuery(configQuery);
  const reload = useMutation({
    mutationFn: () => post<ReloadReply>("/config/reload"),
    onSuccess: (done) => {
      const hint = done.needs_restart.length > 0 ? say.restart(done.needs_restart.join(", ")) : null;
      toast(hint ? "info" : "ok", done.applied.length > 0 ? say.applied(done.applied.join(", ")) : say.reloaded, { hint });
      for (const key of ["config", "status", "audit"]) void queryClient.invalidateQueries({ queryKey: [key] });
    },
    onError: toastFailure,
  });
  return (
    <Card title={say.config} aside={mayReload && <Button small icon="refresh" isBusy={reload.isPending} onClick={() => reload.mutate()}>{say.reload}</Button>}>
      {pendingPart(query, 6) ?? (query.data && <><p className="mb-2 text-t2">{query.data.file ? say.configFrom(query.data.file) : say.configDefaults}</p><div className="max-h-120 overflow-y-auto" tabIndex={0} role="group" aria-label={say.config}><Snippet text={query.data.toml} label={say.config} /></div></>)}
    </Card>
  );
}

function Gateway() {
  const { data: status } = useQuery(statusQuery);
  if (!status) return null;
  const { listen } = status;
  return (
    <Card title={say.gateway}>
      <Facts facts={[[say.version, status.version], [words.dashboard.uptime, duration(status.uptime_seconds)], [say.pid, status.pid], ["DNS", listen.dns.join(", ") || words.status.off], ["HTTPS", listen.https.join(", ") || words.status.off], ["HTTP/3", (listen.http3 ?? []).join(", ") || words.status.off], ["HTTP", listen.http.join(", ") || words.status.off], ["API", listen.admin.join(", ")]]} />
    </Card>
  );
}

function Appearance() {
  const theme = useApp((app) => app.theme);
  const setTheme = useApp((app) => app.setTheme);
  return <Card title={say.appearance}><Segments<Theme> label={words.account.theme} value={theme} onChange={setTheme} options={[{ value: "auto", label: words.account.auto }, { value: "light", label: words.account.light }, { value: "dark", label: words.account.dark }]} /></Card>;
}

function Backup() {
  const [path, setPath] = useState("");
  const make = useMutation({ mutationFn: () => post<{ path: string; bytes: number }>("/backup", { path: path.trim() }), onSuccess: (done) => { toast("ok", say.backedUp(done.path, bytes(done.bytes))); setPath(""); } });
  return (
    <Card title={say.backup}>
      <form className="flex flex-col gap-3" onSubmit={(event: FormEvent) => { event.preventDefault(); make.mutate(); }}>
        <p className="text-t2">{say.backupText}</p>
        <Field id="path" label={say.path} hint={say.pathHint}><input id="path" className="field font-mono" placeholder="/var/backups/conduit.backup" value={path} spellCheck={false} autoComplete="off" onChange={(event) => setPath(event.target.value)} /></Field>
        {make.error && <Failure error={make.error} />}
        <Button type="submit" isBusy={make.isPending} disabled={!path.trim()} className="self-start">{say.make}</Button>
      </form>
    </Card>
  );
}
