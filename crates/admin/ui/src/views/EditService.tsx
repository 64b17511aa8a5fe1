// Edits a service from what it is now. Whoever is overtaken by another is told, and begins anew.
import { useQuery } from "@tanstack/react-query";
import { editedQuery } from "../api/queries";
import { pendingPart } from "../parts/basics";
import { Dialog } from "../parts/Dialog";
import { words } from "../strings";
import ServicePanel from "./ServicePanel";

export default function EditService({ name, onClose }: { name: string; onClose: () => void }) {
  const read = useQuery(editedQuery(name));
  if (!read.data) return <Dialog kind="panel" title={words.register.edit(name)} onClose={onClose}>{pendingPart(read, 8)}</Dialog>;
  const { service, etag } = read.data;
  return <ServicePanel key={etag} edited={service} tag={etag} onReload={() => void read.refetch()} onClose={onClose} />;
}
