// Which key does what.

export type Command = { go: string } | "search" | "help" | "palette" | "escape";

/** The views by number: 1 to 6 are the seeds' own. */
export const VIEW_KEYS: Readonly<Record<string, string>> = {
  "1": "/", "2": "/dns", "3": "/tls", "4": "/services", "5": "/servers", "6": "/routing", "7": "/audit", "8": "/settings",
};

interface Pressed { key: string; ctrlKey: boolean; metaKey: boolean; altKey: boolean }

/** What a key asks for; null for nothing. In a field only the palette and Esc are ours. */
export function commandOf(pressed: Pressed, isTyping: boolean): Command | null {
  const { key, ctrlKey, metaKey, altKey } = pressed;
  if ((ctrlKey || metaKey) && !altKey && key.toLowerCase() === "k") return "palette";
  if (ctrlKey || metaKey || altKey) return null;
  if (key === "Escape") return "escape";
  if (isTyping) return null;
  if (key === "/") return "search";
  if (key === "?") return "help";
  const view = VIEW_KEYS[key];
  return view === undefined ? null : { go: view };
}
