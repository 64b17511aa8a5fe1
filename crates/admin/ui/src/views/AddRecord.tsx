// Adds a record to the zone; the gateway judges it, and its words are shown.
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { post } from "../api/client";
import { queryClient } from "../api/queries";
import type { AddRecord as Wish, AddRecordReply } from "../api/types";
import { Button, Failure, Field } from "../parts/basics";
import { Dialog } from "../parts/Dialog";
import { toast } from "../store";
import { words } from "../strings";

const say = words.dns;
const EXAMPLES: Record<string, string> = {
  A: "10.0.0.7", AAAA: "fd00::7", CAA: "0 issue \"ca.internal\"", CNAME: "nas.internal", HTTPS: "1 . alpn=h2,h3 port=8443",
  MX: "10 mail.internal", PTR: "nas.internal", SRV: "0 5 5060 sip.internal", SVCB: "1 svc.internal port=8443", TXT: "\"v=spf1 -all\"",
};
/** A week of seconds: the longest that a record may be kept. */
const TTL_MAX = 604_800;

export default function AddRecord({ suggestion, onClose }: { suggestion: string; onClose: () => void }) {
  const [wish, setWish] = useState({ name: "", type: "A", data: "", ttl: "" });
  const [wrong, setWrong] = useState<"name" | "data" | "ttl">();
  const add = useMutation({
    mutationFn: (wish: Wish) => post<AddRecordReply>("/dns/records", wish),
    onSuccess: ({ record, changed }) => {
      toast("ok", changed ? say.added(record.name, record.type) : say.same(record.name, record.type));
      for (const key of ["dns", "audit", "status"]) void queryClient.invalidateQueries({ queryKey: [key] });
      onClose();
    },
  });
  const change = (key: keyof typeof wish) => (event: { target: { value: string } }) => {
    setWish({ ...wish, [key]: event.target.value });
    setWrong(undefined);
    add.reset();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const [name, data, ttl] = [wish.name.trim(), wish.data.trim(), wish.ttl.trim()];
    if (!name) return setWrong("name");
    if (!data) return setWrong("data");
    if (ttl && !(Number.isInteger(Number(ttl)) && Number(ttl) >= 0 && Number(ttl) <= TTL_MAX)) return setWrong("ttl");
    add.mutate({ name, type: wish.type, data, ...(ttl ? { ttl: Number(ttl) } : {}) });
  };
  const plain = { spellCheck: false, autoCapitalize: "none", autoComplete: "off" } as const;
  return (
    <Dialog kind="panel" title={say.add} onClose={onClose} footer={<>
      <Button onClick={onClose}>{words.cancel}</Button>
      <Button look="primary" type="submit" form="record" isBusy={add.isPending}>{say.add}</Button>
    </>}>
      <form id="record" noValidate className="flex flex-col gap-4 px-5 py-4" onSubmit={submit}>
        <Field id="record-name" label={say.question} problem={wrong === "name" ? say.nameNeeded : undefined} hint={say.nameHint}>
          <input id="record-name" data-autofocus className="field font-mono" placeholder={suggestion} value={wish.name} {...plain} onChange={change("name")} aria-invalid={wrong === "name"} aria-describedby="record-name-note" />
        </Field>
        <Field id="record-type" label={say.type}>
          <select id="record-type" className="field" value={wish.type} onChange={change("type")}>{Object.keys(EXAMPLES).map((type) => <option key={type}>{type}</option>)}</select>
        </Field>
        <Field id="record-data" label={say.data} problem={wrong === "data" ? say.dataNeeded : undefined} hint={say.dataHint}>
          <input id="record-data" className="field font-mono" placeholder={EXAMPLES[wish.type]} value={wish.data} {...plain} onChange={change("data")} aria-invalid={wrong === "data"} aria-describedby="record-data-note" />
        </Field>
        <Field id="record-ttl" label={say.ttl} optional problem={wrong === "ttl" ? say.ttlWrong : undefined} hint={say.ttlHint}>
          <input id="record-ttl" type="number" min={0} max={TTL_MAX} step={1} className="field" value={wish.ttl} onChange={change("ttl")} aria-invalid={wrong === "ttl"} aria-describedby="record-ttl-note" />
        </Field>
        {add.error && <Failure error={add.error} />}
      </form>
    </Dialog>
  );
}
