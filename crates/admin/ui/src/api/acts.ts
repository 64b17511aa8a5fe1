// What can be done to a service, and what follows in the page.
import { queryClient } from "./queries";
import { part, post, remove } from "./client";
import type { RegisterReply, RegisterService, Service, UpstreamReply } from "./types";
import { hidesSecrets, wishOf } from "../lib/wish";
import { toast, toastFailure } from "../store";
import { words } from "../strings";

/** Asks again for whatever a changed service shows in. */
export function afterChange() {
  for (const key of ["status", "services", "routing", "dns", "tls", "audit"]) void queryClient.invalidateQueries({ queryKey: [key] });
}

export const register = (wish: RegisterService, tag?: string) => post<RegisterReply>("/services", wish, tag);

/** Deregisters, leaves what shows the service, and offers to register the same again for a moment. */
export async function deregister(service: Service, leave?: () => Promise<void>): Promise<void> {
  await remove(`/services/${part(service.name)}`);
  await leave?.();
  afterChange();
  const undo = () => void register(wishOf(service)).then(() => {
    toast("ok", words.service.restored(service.name));
    afterChange();
  }, toastFailure);
  const text = words.service.deregistered(service.name);
  if (hidesSecrets(service)) toast("ok", text, { hint: words.service.hidden });
  else toast("ok", text, { action: { label: words.undo, act: undo } });
}

export type Verb = "drain" | "eject" | "admit";

export async function actOnUpstream(service: string, upstream: string, verb: Verb): Promise<void> {
  try {
    const reply = await post<UpstreamReply>(`/services/${part(service)}/upstreams/${part(upstream)}:${verb}`);
    toast("ok", words.service.done(reply.health?.state ?? verb, upstream), { hint: reply.note });
  } catch (failure) {
    toastFailure(failure);
  }
  afterChange();
}
