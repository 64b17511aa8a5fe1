// Who is not signed in sees how to get in, and nothing else.
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { ApiFailure, type Credentials, type Present, session, signIn, whenSignedOut } from "../api/client";
import { waitBefore } from "../lib/backoff";
import { takeReturn } from "../lib/oidc";
import { Failure } from "../parts/basics";
import { Toasts } from "../shell/Toasts";
import { useApp } from "../store";
import { words } from "../strings";
import { Login } from "./Login";

/** The code of a one-time link; taken out of the address at once, so that it stays in no history. */
const CODE = takeCode();
/** The same of what a provider of identities sent back. */
const CAME = takeReturn();
/** What the page was opened with to get in. */
const BROUGHT: Credentials | null = CODE !== null ? { code: CODE } : CAME?.back ? { oidc: CAME.back } : null;

export function Gate({ children }: { children: ReactNode }) {
  const found = useApp((app) => app.session);
  const setSession = useApp((app) => app.setSession);
  const [hasEnded, setEnded] = useState(false);
  const first = useQuery({
    queryKey: ["session"], staleTime: Infinity, gcTime: Infinity, refetchOnWindowFocus: false,
    // A page that is opened while the gateway restarts comes by itself.
    retry: (_, failure) => failure instanceof ApiFailure && (failure.isUnreachable || failure.mayPass), retryDelay: (count) => waitBefore(count),
    queryFn: async () => {
      // Whoever follows a link wants to be who it says.
      const entered = BROUGHT && !isUsed ? await enterWith(BROUGHT) : null;
      if (entered?.session) return entered;
      return { ...(await session()), problem: entered?.problem ?? CAME?.problem ?? null };
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
  const failure = first.failureReason;
  if (failure) return <main className="mx-auto max-w-lg p-6"><Failure error={failure} retry={first.error ? () => void first.refetch() : undefined} /></main>;
  const isBusy = first.isPending || (first.data?.session != null && !hasEnded && !useApp.getState().session && first.isFetching);
  return <><Login isBusy={isBusy} using={CODE !== null ? words.login.using : BROUGHT ? words.login.returning : null} hasEnded={hasEnded || (first.data?.hasEnded ?? false)} problem={first.data?.problem ?? null} onDone={enter} /><Toasts /></>;
}

/** What was brought is used once, also when the session is asked for again. */
let isUsed = false;

async function enterWith(brought: Credentials): Promise<Present & { problem: unknown }> {
  try {
    const session = await signIn(brought);
    isUsed = true;
    return { session, hasEnded: false, problem: null };
  } catch (problem) {
    isUsed = !(problem instanceof ApiFailure && problem.isUnreachable);
    return { session: null, hasEnded: false, problem };
  }
}

function takeCode(): string | null {
  const match = /^#login=([\w.~-]{1,512})$/.exec(location.hash);
  if (!match?.[1]) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return match[1];
}
