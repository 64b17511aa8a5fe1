// A person's own password. Setting it ends their sessions, this one too.
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { part, post } from "../api/client";
import { queryClient } from "../api/queries";
import { Button, Failure, Field } from "../parts/basics";
import { Dialog } from "../parts/Dialog";
import { toast, useApp } from "../store";
import { words } from "../strings";

const say = words.password;

export default function Password({ onClose }: { onClose: () => void }) {
  const name = useApp((app) => app.session?.name ?? "");
  const [old, setOld] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const set = useMutation({
    mutationFn: () => post(`/users/${part(name)}/password`, { old_password: old, password: next }),
    onSuccess: () => {
      onClose();
      toast("ok", say.done);
      useApp.getState().setSession(null);
      queryClient.clear();
    },
  });
  const differs = again !== "" && again !== next;
  const field = (id: string, label: string, value: string, change: (text: string) => void, kind: "current-password" | "new-password", problem?: string) => (
    <Field id={id} label={label} problem={problem}>
      <input id={id} type="password" data-autofocus={kind === "current-password" || undefined} className="field" value={value} autoComplete={kind} aria-invalid={problem !== undefined} aria-describedby={`${id}-note`} onChange={(event) => change(event.target.value)} />
    </Field>
  );
  return (
    <Dialog title={say.title} onClose={onClose} footer={<>
      <Button onClick={onClose}>{words.cancel}</Button>
      <Button look="primary" type="submit" form="password-form" isBusy={set.isPending} disabled={!old || !next || again !== next}>{say.submit}</Button>
    </>}>
      <form id="password-form" className="flex flex-col gap-4 px-5 py-4" onSubmit={(event: FormEvent) => { event.preventDefault(); if (old && next && again === next) set.mutate(); }}>
        <input type="text" name="username" autoComplete="username" value={name} readOnly hidden />
        <p className="text-t2">{say.text}</p>
        {field("old-password", say.old, old, setOld, "current-password")}
        {field("new-password", say.next, next, setNext, "new-password")}
        {field("again-password", say.again, again, setAgain, "new-password", differs ? say.differs : undefined)}
        {set.error && <Failure error={set.error} />}
      </form>
    </Dialog>
  );
}
