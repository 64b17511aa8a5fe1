// Server-sent events out of a stream of text (HTML standard, section 9.2.6).

export interface ServerEvent { kind: string; data: string }

/** The longest event that is kept, in characters; a longer one is dropped. */
export const EVENT_CHARS_MAX = 262_144;

/** Takes text as it comes, in whatever pieces, and gives the events that are whole. */
export class EventReader {
  private rest = "";
  private kind = "";
  private data: string[] = [];
  private size = 0;

  push(text: string): ServerEvent[] {
    const found: ServerEvent[] = [];
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    if (this.rest.length > EVENT_CHARS_MAX) this.rest = "";
    for (const line of lines) {
      const event = this.line(line);
      if (event) found.push(event);
    }
    return found;
  }

  private line(line: string): ServerEvent | null {
    if (line === "") {
      const event = this.data.length > 0 ? { kind: this.kind || "message", data: this.data.join("\n") } : null;
      this.kind = "";
      this.data = [];
      this.size = 0;
      return event;
    }
    if (line.startsWith(":")) return null;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.kind = value;
    if (field === "data" && this.size + value.length <= EVENT_CHARS_MAX) {
      this.data.push(value);
      this.size += value.length;
    }
    return null;
  }
}
