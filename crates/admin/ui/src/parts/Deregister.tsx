import { useMutation } from "@tanstack/react-query";
import { deregister } from "../api/acts";
import type { Service } from "../api/types";
import { toastFailure } from "../store";
import { words } from "../strings";
import { Confirm } from "./Dialog";

export function Deregister({ service, onClose, leave }: { service: Service; onClose: () => void; leave?: () => Promise<void> }) {
  const act = useMutation({ mutationFn: () => deregister(service, leave), onSuccess: onClose, onError: (failure) => { toastFailure(failure); onClose(); } });
  return <Confirm danger title={words.service.deregisterTitle(service.name)} text={words.service.deregisterText} action={words.services.deregister} isBusy={act.isPending} onConfirm={() => act.mutate()} onClose={onClose} />;
}
