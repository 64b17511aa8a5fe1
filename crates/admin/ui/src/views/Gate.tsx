// Who is not signed in sees how to get in, and nothing else.
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { session, signIn, whenSignedOut } from "../api/client";
import { Failure } from "../parts/basics";
import { Toasts } from "../shell/Toasts";
import { useApp } from "../store";
import { Login } from "./Login";

/** The code of a one-time link; taken out of the address at once, so that it stays in no history. */
const CODE = takeCode();

export function Gate({ children }: { children: ReactNode }) {
  const found = useApp((app) => app.session);
  const setSession = useApp((app) => app.setSession);
  const [hasEnded, setEnded] = useState(false);
  const first = useQuery({
    queryKey: ["session"], staleTime: Infinity, gcTime: Infinity, refetchOnWindowFocus: false, retry: false,
    queryFn: async () => {
      // A link is used once: whoever follows it wants to be who it says.
      const entered = CODE ? await signIn({ code: CODE }).then((session) => ({ session, problem: null }), (problem: unknown) => ({ session: null, problem })) : null;
      return entered?.session ? entered : { session: await session(), problem: entered?.problem ?? null };
    },
  });
  useEffect(() => {
    whenSignedOut(() => {
      // Several requests may be refused at once; only the first finds a session.
      if (useApp.getState().session !== null) setEnded(true);
      setSession(null);
    });
  }, [setSession]);
  useEffect(() => {
    if (first.data?.session) setSession(first.data.session);
  }, [first.data, setSession]);
  const enter: typeof setSession = (session) => {
    setEnded(false);
    setSession(session);
  };
  if (found) return <>{children}<Toasts /></>;
  if (first.error) return <main className="mx-auto max-w-lg p-6"><Failure error={first.error} retry={() => void first.refetch()} /></main>;
  const isBusy = first.isPending || (first.data?.session != null && !hasEnded && !useApp.getState().session && first.isFetching);
  return <><Login isBusy={isBusy} usesCode={CODE !== null} hasEnded={hasEnded} problem={first.data?.problem ?? null} onDone={enter} /><Toasts /></>;
}

function takeCode(): string | null {
  const match = /^#login=([\w.~-]{1,512})$/.exec(location.hash);
  if (!match?.[1]) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return match[1];
}
