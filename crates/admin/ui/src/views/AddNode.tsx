// Adds a machine in two steps: its host key is shown and compared before it is trusted.
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { post } from "../api/client";
import { queryClient } from "../api/queries";
import type { AddNode as Wish, TestReply } from "../api/types";
import { Button, Failure, Field, Snippet } from "../parts/basics";
import { Dialog } from "../parts/Dialog";
import { toast } from "../store";
import { words } from "../strings";

const say = words.servers.adding;

export default function AddNode({ onClose }: { onClose: () => void }) {
  const [destination, setDestination] = useState("");
  const [name, setName] = useState("");
  const [problem, setProblem] = useState<string>();
  const wish = (): Wish => ({ destination: destination.trim(), ...(name.trim() ? { name: name.trim() } : {}) });
  const look = useMutation({ mutationFn: () => post<TestReply>("/nodes:test", { machine: wish() }) });
  const add = useMutation({
    mutationFn: (fingerprint: string) => post<{ name: string }>("/nodes", { ...wish(), fingerprint }),
    onSuccess: ({ name }) => {
      toast("ok", say.added(name));
      for (const key of ["nodes", "audit"]) void queryClient.invalidateQueries({ queryKey: [key] });
      onClose();
    },
  });
  const found = look.data;
  const change = (set: (text: string) => void) => (event: { target: { value: string } }) => {
    set(event.target.value);
    setProblem(undefined);
    look.reset();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!destination.trim()) return setProblem(say.needed);
    if (found) add.mutate(found.fingerprint);
    else look.mutate();
  };
  return (
    <Dialog kind="panel" title={words.servers.add} onClose={onClose} footer={<>
      <Button onClick={onClose}>{words.cancel}</Button>
      <Button look="primary" type="submit" form="node" isBusy={look.isPending || add.isPending}>{found ? say.trustAdd : say.look}</Button>
    </>}>
      <form id="node" noValidate className="flex flex-col gap-4 px-5 py-4" onSubmit={submit}>
        <Field id="destination" label={say.destination} problem={problem} hint={say.destinationHint}>
          <input id="destination" data-autofocus className="field font-mono" placeholder="ops@10.0.1.20" value={destination} spellCheck={false} autoCapitalize="none" autoComplete="off" onChange={change(setDestination)} aria-invalid={!!problem} aria-describedby="destination-note" />
        </Field>
        <Field id="node-name" label={say.name} optional hint={say.nameHint}>
          <input id="node-name" className="field" placeholder="gpu-server" value={name} spellCheck={false} autoCapitalize="none" autoComplete="off" onChange={change(setName)} />
        </Field>
        {found && (
          <section role="status" className="flex flex-col gap-3 rounded-md border border-s4 p-4">
            <h3 className="font-semibold">{say.compare}</h3>
            <p><span className="block text-xs text-t3">{say.fingerprint} ({found.key_type})</span><span className="font-mono break-all">{found.fingerprint}</span></p>
            <p className="text-t2">{say.compareText}</p>
            <Snippet text={`ssh-keygen -lf /etc/ssh/ssh_host_${found.key_type.replace(/^ssh-|^ecdsa-.*$/g, (kind) => (kind.startsWith("ecdsa") ? "ecdsa" : ""))}_key.pub`} label={say.compare} />
            {found.pinned && found.error && <p className="text-bad">{found.error}</p>}
            {found.ok && <p className="text-ok">{say.works}</p>}
          </section>
        )}
        {(look.error ?? add.error) && <Failure error={look.error ?? add.error} />}
      </form>
    </Dialog>
  );
}
