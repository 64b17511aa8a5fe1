// What is wrong with the gateway, and what to do about it.
import { useQuery } from "@tanstack/react-query";
import { DOCTOR_ID, doctorQuery, lookNow } from "../api/queries";
import type { Finding } from "../api/types";
import { Ago, Button, Card, Failure } from "../parts/basics";
import { Icon, type IconName } from "../parts/Icon";
import { words } from "../strings";

const say = words.doctor;
type Status = Finding["status"];
/** The gravest first; each has a shape and a word beside its colour. */
const STATES: Record<Status, { rank: number; icon: IconName; look: string }> = {
  fail: { rank: 0, icon: "bad", look: "text-bad" },
  warn: { rank: 1, icon: "warn", look: "text-warn" },
  ok: { rank: 2, icon: "ok", look: "text-ok" },
  skipped: { rank: 3, icon: "more", look: "text-t3" },
};

export function Doctor() {
  const { data, error, isFetching } = useQuery(doctorQuery);
  const sorted = [...(data?.findings ?? [])].sort((a, b) => STATES[a.status].rank - STATES[b.status].rank);
  const grave = sorted.filter((finding) => STATES[finding.status].rank < STATES.ok.rank);
  const others = sorted.slice(grave.length);
  const count = (status: Status) => sorted.filter((finding) => finding.status === status).length;
  const told = isFetching ? say.looking : data && say.count(count("fail"), count("warn"), count("ok"));
  return (
    <div id={DOCTOR_ID} className="scroll-mt-16">
      <Card title={say.title} aside={<Button small icon="search" isBusy={isFetching} onClick={() => void lookNow()}>{data ? say.again : say.look}</Button>}>
        <div className="flex flex-col gap-3">
          <p className="text-t2">{say.text}</p>
          <p role="status" aria-live="polite" className="font-medium empty:hidden">{told}</p>
          {error && !isFetching && <Failure error={error} />}
          {grave.length > 0 && <List label={say.findings} findings={grave} />}
          {others.length > 0 && <details open={grave.length === 0}><summary className="cursor-pointer text-t2">{say.others(others.length)}</summary><div className="pt-3"><List label={say.states.ok} findings={others} /></div></details>}
          {data && <p className="text-xs text-t3">{say.at} <Ago at={data.checked_at} />. {say.here}</p>}
        </div>
      </Card>
    </div>
  );
}

function List({ label, findings }: { label: string; findings: Finding[] }) {
  return (
    <ul aria-label={label} className="flex flex-col gap-2.5">
      {findings.map((finding) => {
        const { icon, look } = STATES[finding.status];
        return (
          <li key={`${finding.check} ${finding.subject ?? ""} ${finding.message}`} className="flex gap-2.5">
            <span className={`mt-0.5 ${look}`}><Icon name={icon} className="size-4" /></span>
            <div className="min-w-0 wrap-anywhere">
              <p><span className="sr-only">{say.states[finding.status]}: </span><span className="font-medium">{finding.check}</span>{finding.subject && <span className="text-t2"> {finding.subject}</span>}</p>
              <p className="text-t2">{finding.message}</p>
              {finding.hint && <p className="text-xs text-t3">{finding.hint}</p>}
            </div>
          </li>
        );
      })}
    </ul>
  );
}
