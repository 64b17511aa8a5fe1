// Long lists: only what is seen is drawn. The page's own scroll is used, so that there is one bar.
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useLayoutEffect, useRef, useState } from "react";

/** Lists up to this long are drawn whole, so that the browser's own search finds everything. */
export const WHOLE_MAX = 150;

/** A column is fixed (`7rem`) or takes a share of what is left (`2`). */
export interface Column<T> { key: string; label: ReactNode; width: `${number}rem` | number; cell: (item: T) => ReactNode; end?: boolean; hide?: "sm" | "md" | "lg" | "xl" }

const HIDDEN = { sm: "max-sm:hidden", md: "max-md:hidden", lg: "max-lg:hidden", xl: "max-xl:hidden" };

interface Props<T> { label: string; items: readonly T[]; columns: Column<T>[]; keyOf: (item: T) => string; rowHeight?: number; dim?: (item: T) => boolean }

/** A table of rows of one height. */
export function Rows<T>({ label, items, columns, keyOf, rowHeight = 44, dim }: Props<T>) {
  const body = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  useLayoutEffect(() => {
    const main = document.getElementById("content");
    if (body.current && main) setMargin(body.current.getBoundingClientRect().top - main.getBoundingClientRect().top + main.scrollTop);
  }, [items.length === 0]);
  const isWhole = items.length <= WHOLE_MAX;
  const virtual = useVirtualizer({ count: isWhole ? 0 : items.length, getScrollElement: () => document.getElementById("content"), estimateSize: () => rowHeight, overscan: 12, scrollMargin: margin });
  const row = (item: T, index: number, style?: React.CSSProperties) => (
    <div key={keyOf(item)} role="row" aria-rowindex={index + 2} style={{ ...style, minHeight: rowHeight }} className={`row-line flex items-center hover:bg-s2 ${dim?.(item) ? "opacity-70" : ""}`}>
      {columns.map((column) => <div key={column.key} role="cell" style={flexOf(column.width)} className={`min-w-0 px-3 py-1 first:pl-4 last:pr-4 ${column.end ? "text-right" : ""} ${column.hide ? HIDDEN[column.hide] : ""}`}>{column.cell(item)}</div>)}
    </div>
  );
  return (
    <div role="table" aria-label={label} aria-rowcount={items.length + 1}>
      <div role="row" aria-rowindex={1} className="flex h-9 items-center">
        {columns.map((column) => <div key={column.key} role="columnheader" style={flexOf(column.width)} className={`min-w-0 truncate px-3 first:pl-4 last:pr-4 text-xs font-medium text-t3 ${column.end ? "text-right" : ""} ${column.hide ? HIDDEN[column.hide] : ""}`}>{column.label}</div>)}
      </div>
      <div ref={body} role="rowgroup" className="relative" style={isWhole ? undefined : { height: virtual.getTotalSize() }}>
        {isWhole ? items.map((item, index) => row(item, index)) : virtual.getVirtualItems().map((place) => {
          const item = items[place.index];
          return item === undefined ? null : row(item, place.index, { position: "absolute", insetInline: 0, top: 0, height: place.size, transform: `translateY(${place.start - margin}px)` });
        })}
      </div>
    </div>
  );
}

const flexOf = (width: string | number) => ({ flex: typeof width === "number" ? `${width} 1 0` : `0 0 ${width}` });
