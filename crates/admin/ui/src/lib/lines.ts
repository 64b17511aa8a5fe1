// Lines of JSON out of a stream of text.

/** The longest line that is read, in characters; a longer one is dropped. */
const LINE_CHARS_MAX = 262_144;

/** Takes text as it comes, in whatever pieces, and gives the lines that are whole; empty ones are signs of life. */
export class LineReader<T> {
  private rest = "";

  push(text: string): T[] {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop() ?? "";
    if (this.rest.length > LINE_CHARS_MAX) this.rest = "";
    return lines.flatMap((line) => {
      if (line.trim() === "") return [];
      try {
        return [JSON.parse(line) as T];
      } catch {
        return [];
      }
    });
  }
}
