import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { type Credentials, departure, passkeyOptions, signIn, ways } from "../api/client";
import type { Session } from "../api/types";
import { leave } from "../lib/oidc";
import { hasPasskeys, sign } from "../lib/passkey";
import { Button, Failure, Field, Segments, Snippet } from "../parts/basics";
import { Icon, Mark } from "../parts/Icon";
import { words } from "../strings";

interface Props { isBusy: boolean; using: string | null; hasEnded: boolean; problem: unknown; onDone: (session: Session) => void }

export function Login({ isBusy, using, hasEnded, problem, onDone }: Props) {
  const [way, setWay] = useState<"token" | "password">("token");
  const say = words.login;
  return (
    <main className="flex min-h-dvh flex-col items-center px-4 pt-[12vh] pb-8">
      <div className="w-full max-w-md">
        <div className="mb-6 flex flex-col items-center gap-3 text-center">
          <Mark className="size-11" />
          <h1 className="text-xl font-semibold tracking-tight">{say.title}</h1>
        </div>
        {isBusy ? (
          <p role="status" className="text-center text-t2">{using ?? words.loading}</p>
        ) : (
          <div className="card flex flex-col gap-5 p-5">
            {hasEnded && <p role="status" className="flex items-center gap-2 rounded-md bg-warn-soft px-3 py-2 text-warn"><Icon name="warn" />{say.ended}</p>}
            {problem !== null && <Failure error={problem} />}
            <div className="flex flex-col gap-2">
              <p className="text-t2">{say.how}</p>
              <Snippet text="conduit login" label={say.how} />
              <p className="text-t2">{say.howThen}</p>
            </div>
            <div className="flex items-center gap-3 text-xs text-t3"><span className="h-px flex-1 bg-s4" />{say.or}<span className="h-px flex-1 bg-s4" /></div>
            <Segments label={say.title} value={way} onChange={setWay} options={[{ value: "token", label: say.token }, { value: "password", label: say.password }]} />
            <ProviderButton />
            {hasPasskeys() && <PasskeyButton onDone={onDone} />}
            {way === "token" ? <TokenForm onDone={onDone} /> : <PasswordForm onDone={onDone} />}
          </div>
        )}
      </div>
    </main>
  );
}

function ProviderButton() {
  const query = useQuery({ queryKey: ["ways"], queryFn: ({ signal }) => ways(signal), staleTime: Infinity });
  const leaving = useMutation({ mutationFn: departure, onSuccess: ({ url, key }) => leave(url, key) });
  const provider = query.data?.oidc;
  if (!provider) return null;
  return (
    <div className="flex flex-col gap-3">
      <Button icon="open" isBusy={leaving.isPending || leaving.isSuccess} onClick={() => leaving.mutate()}>{words.login.provider(provider.label)}</Button>
      {leaving.error && <Failure error={leaving.error} />}
    </div>
  );
}

function PasskeyButton({ onDone }: { onDone: (session: Session) => void }) {
  const entering = useMutation({
    mutationFn: async () => {
      const passkey = await sign(await passkeyOptions());
      return passkey && signIn({ passkey });
    },
    onSuccess: (session) => session && onDone(session),
  });
  return (
    <div className="flex flex-col gap-3">
      <Button icon="key" isBusy={entering.isPending} onClick={() => entering.mutate()}>{words.login.passkey}</Button>
      {entering.data === null && <p role="status" className="text-t3">{words.login.passkeyCancelled}</p>}
      {entering.error && <Failure error={entering.error} />}
    </div>
  );
}

function useSignIn(onDone: (session: Session) => void) {
  return useMutation({ mutationFn: (credentials: Credentials) => signIn(credentials), onSuccess: onDone });
}

function TokenForm({ onDone }: { onDone: (session: Session) => void }) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState<string>();
  const entering = useSignIn(onDone);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!token.trim()) return setProblem(words.login.tokenEmpty);
    entering.mutate({ token: token.trim() });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-3" noValidate>
      <Field id="token" label={words.login.tokenLabel} problem={problem} hint={words.login.tokenHint}>
        <input id="token" type="password" autoComplete="off" spellCheck={false} className="field font-mono" value={token} placeholder="cdt_…" aria-describedby="token-note" aria-invalid={!!problem}
          onChange={(event) => { setToken(event.target.value); setProblem(undefined); }} />
      </Field>
      {entering.error && <Failure error={entering.error} />}
      <Button type="submit" look="primary" isBusy={entering.isPending}>{words.login.submit}</Button>
    </form>
  );
}

function PasswordForm({ onDone }: { onDone: (session: Session) => void }) {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState<string>();
  const entering = useSignIn(onDone);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!user.trim() || !password) return setProblem(words.login.bothNeeded);
    entering.mutate({ user: user.trim(), password });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-3" noValidate>
      <Field id="user" label={words.login.user}>
        <input id="user" autoComplete="username" spellCheck={false} autoCapitalize="none" className="field" value={user} onChange={(event) => { setUser(event.target.value); setProblem(undefined); }} />
      </Field>
      <Field id="password" label={words.login.pass} problem={problem}>
        <input id="password" type="password" autoComplete="current-password" className="field" value={password} aria-describedby="password-note" aria-invalid={!!problem} onChange={(event) => { setPassword(event.target.value); setProblem(undefined); }} />
      </Field>
      {entering.error && <Failure error={entering.error} />}
      <Button type="submit" look="primary" isBusy={entering.isPending}>{words.login.submit}</Button>
    </form>
  );
}
