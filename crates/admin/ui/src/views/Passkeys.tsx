// A person's own passkeys: keys of their devices, by which they sign in without a password.
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { part, post, remove } from "../api/client";
import { passkeysQuery, queryClient } from "../api/queries";
import type { Passkey, PasskeyOptions } from "../api/types";
import { hasPasskeys, make } from "../lib/passkey";
import { Ago, Button, Failure, Field, pendingPart } from "../parts/basics";
import { Dialog } from "../parts/Dialog";
import { toast, toastFailure, useApp } from "../store";
import { words } from "../strings";

const say = words.passkeys;

export default function Passkeys({ onClose }: { onClose: () => void }) {
  const name = useApp((app) => app.session?.name ?? "");
  const query = useQuery(passkeysQuery(name));
  const [label, setLabel] = useState("");
  const [password, setPassword] = useState("");
  const refresh = () => void queryClient.invalidateQueries({ queryKey: ["passkeys"] });
  const path = `/users/${part(name)}/passkeys`;
  const add = useMutation({
    mutationFn: async () => {
      const { options } = await post<PasskeyOptions>(`${path}/begin`, password ? { password } : {});
      const credential = await make(options);
      return credential && post<Passkey>(path, { label: label.trim(), credential });
    },
    onSuccess: (made) => {
      if (!made) return toast("bad", say.cancelled);
      toast("ok", say.added(made.label));
      setLabel("");
      setPassword("");
      refresh();
    },
  });
  const take = useMutation({
    mutationFn: (passkey: Passkey) => remove<Passkey>(`${path}/${part(passkey.id)}`),
    onSuccess: (gone) => { toast("ok", say.removed(gone.label)); refresh(); },
    onError: toastFailure,
  });
  const can = hasPasskeys();
  return (
    <Dialog title={say.title} onClose={onClose} footer={<>
      <Button onClick={onClose}>{words.close}</Button>
      {can && <Button look="primary" type="submit" form="passkey-form" isBusy={add.isPending} disabled={!label.trim()}>{say.add}</Button>}
    </>}>
      <div className="flex flex-col gap-4 px-5 py-4">
        <p className="text-t2">{say.text}</p>
        {pendingPart(query, 2) ?? (
          <ul aria-label={say.title} className="flex flex-col gap-2">
            {query.data?.passkeys.length === 0 && <li className="text-t3">{say.none}</li>}
            {query.data?.passkeys.map((passkey) => (
              <li key={passkey.id} className="flex items-center gap-3 rounded-md border border-s4 px-3 py-2">
                <span className="min-w-0 flex-1"><span className="block truncate font-medium">{passkey.label}</span><span className="block truncate text-xs text-t3">{passkey.host} · {passkey.used_at ? <>{say.used} <Ago at={passkey.used_at} /></> : say.unused}</span></span>
                <Button small aria-label={say.removeOf(passkey.label)} isBusy={take.isPending && take.variables?.id === passkey.id} onClick={() => take.mutate(passkey)}>{say.remove}</Button>
              </li>
            ))}
          </ul>
        )}
        {can ? (
          <form id="passkey-form" className="flex flex-col gap-4" onSubmit={(event: FormEvent) => { event.preventDefault(); if (label.trim()) add.mutate(); }}>
            <input type="text" name="username" autoComplete="username" value={name} readOnly hidden />
            <Field id="passkey-label" label={say.label} hint={say.labelHint}><input id="passkey-label" data-autofocus className="field" maxLength={64} value={label} aria-describedby="passkey-label-note" onChange={(event) => setLabel(event.target.value)} /></Field>
            <Field id="passkey-password" label={say.password}><input id="passkey-password" type="password" autoComplete="current-password" className="field" value={password} onChange={(event) => setPassword(event.target.value)} /></Field>
            {add.error && <Failure error={add.error} />}
          </form>
        ) : <p className="rounded-md bg-warn-soft px-3 py-2 text-warn">{say.cannot}</p>}
      </div>
    </Dialog>
  );
}
