// A menu of things to do with one thing.
import * as Dropdown from "@radix-ui/react-dropdown-menu";
import type { ReactNode } from "react";
import { Icon, type IconName } from "./Icon";

export interface Item { label: string; icon?: IconName; act: () => void; danger?: boolean; disabled?: boolean; note?: ReactNode }

export function Menu({ label, items, children, side = "bottom" }: { label: string; items: (Item | "line")[]; children?: ReactNode; side?: "bottom" | "top" }) {
  return (
    <Dropdown.Root modal={false}>
      <Dropdown.Trigger asChild>
        {children ?? (
          <button type="button" aria-label={label} title={label} className="inline-flex size-8 items-center justify-center rounded-md text-t3 hover:bg-s2 hover:text-t1 data-[state=open]:bg-s2">
            <Icon name="more" />
          </button>
        )}
      </Dropdown.Trigger>
      <Dropdown.Portal>
        <Dropdown.Content align="end" side={side} sideOffset={4} collisionPadding={8} className="z-40 min-w-44 rounded-lg border border-s4 bg-s1 p-1 shadow-lift">
          {items.map((item, index) => item === "line" ? <Dropdown.Separator key={index} className="my-1 h-px bg-s4" /> : (
            <Dropdown.Item key={item.label} disabled={item.disabled ?? false} onSelect={item.act}
              className={`flex h-8 cursor-default items-center gap-2 rounded px-2 text-sm outline-none select-none data-[disabled]:opacity-50 data-[highlighted]:bg-s2 ${item.danger ? "text-bad" : ""}`}>
              {item.icon ? <Icon name={item.icon} className="size-4 opacity-80" /> : null}
              <span className="flex-1">{item.label}</span>
              {item.note}
            </Dropdown.Item>
          ))}
        </Dropdown.Content>
      </Dropdown.Portal>
    </Dropdown.Root>
  );
}
