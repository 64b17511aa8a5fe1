import { useMutation, useQuery } from "@tanstack/react-query";
import { post } from "../api/client";
import { channelsQuery, queryClient } from "../api/queries";
import type { AlertChannel, TestChannelReply } from "../api/types";
import { Badge, Button, Empty, pendingPart } from "../parts/basics";
import { type Column, Rows } from "../parts/Rows";
import { toast, toastFailure, useMay } from "../store";
import { words } from "../strings";

const say = words.channels;

/** Who tells people of alerts, and what became of the messages. */
export function Channels() {
  const query = useQuery(channelsQuery);
  const isOperator = useMay("change");
  const test = useMutation({
    mutationFn: (channel: AlertChannel) => post<TestChannelReply>(`/monitor/channels/${encodeURIComponent(channel.name)}/test`),
    onSuccess: (reply) => {
      if (reply.error) toast("bad", `${reply.name}: ${reply.error}`);
      else toast("ok", say.took(reply.name));
      void queryClient.invalidateQueries({ queryKey: ["channels"] });
    },
    onError: toastFailure,
  });
  const columns: Column<AlertChannel>[] = [
    { key: "name", label: say.name, width: 1, cell: (channel) => <span className="block truncate font-medium">{channel.name}</span> },
    { key: "kind", label: say.kind, width: "6rem", hide: "sm", cell: (channel) => <Badge>{channel.kind}</Badge> },
    { key: "place", label: say.place, width: 2, hide: "md", cell: (channel) => <span className="block truncate text-t2">{channel.place}</span> },
    { key: "sent", label: say.sent, width: "4rem", end: true, hide: "sm", cell: (channel) => channel.sent },
    { key: "waiting", label: say.waiting, width: "5rem", end: true, cell: (channel) => channel.waiting + channel.lost > 0 ? <Badge tone="warn">{channel.waiting}</Badge> : channel.waiting },
    { key: "error", label: say.lastError, width: 2.5, cell: (channel) => channel.last_error && <span className="line-clamp-2 text-bad" title={channel.last_error}>{channel.last_error}</span> },
    { key: "test", label: <span className="sr-only">{words.services.actions}</span>, width: "6rem", end: true, cell: (channel) => isOperator && <Button small aria-label={say.testOf(channel.name)} isBusy={test.isPending && test.variables?.name === channel.name} onClick={() => test.mutate(channel)}>{say.test}</Button> },
  ];
  return <div className="card overflow-hidden">{pendingPart(query, 3) ?? (query.data?.channels.length === 0 ? <Empty icon="bell" title={say.empty} text={say.emptyText} /> : <Rows label={words.servers.channels} items={query.data?.channels ?? []} columns={columns} keyOf={(channel) => channel.name} />)}</div>;
}
