// What each role may do, as crates/core/src/actor.rs has it; the daemon judges every request itself.
import type { Role, Session } from "../api/types";

export type Permission = "review" | "observe" | "change" | "certify" | "administer";

const MAY: Record<Permission, readonly Role[]> = {
  review: ["admin", "auditor"],
  observe: ["admin", "auditor", "operator"],
  change: ["admin", "operator"],
  certify: ["admin", "ca-officer", "operator"],
  administer: ["admin"],
};

export const ROLES: readonly Role[] = ["viewer", "operator", "ca-officer", "auditor", "admin"];

export const may = (session: Session | null, permission: Permission) => session !== null && MAY[permission].includes(session.role);
