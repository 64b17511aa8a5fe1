// The page's own icons: one weight, one grid of 16.

const PATHS = {
  dashboard: "M2.5 2.500h4.500v5h-4.500zM9 2.500h4.500v3h-4.500zM9 7.500h4.500v6h-4.500zM2.500 9.500h4.500v4h-4.500z",
  services: "M8 1.800 13.800 5 8 8.200 2.200 5zM2.200 8 8 11.200 13.800 8M2.200 11 8 14.200 13.800 11",
  routing: "M2 4.500h3.500c3 0 2 7 5 7H14M12 9.500l2 2-2 2M2 11.500h2.500M9.500 4.500H14M12 2.500l2 2-2 2",
  dns: "M8 1.800a6.200 6.200 0 1 1 0 12.400A6.200 6.200 0 0 1 8 1.800zM1.800 8h12.400M8 1.800c4 3.500 4 8.900 0 12.400M8 1.800c-4 3.500-4 8.900 0 12.400",
  tls: "M3.500 7h9v6.500h-9zM5.500 7V4.500a2.500 2.500 0 0 1 5 0V7M8 9.500v1.500",
  servers: "M2.500 2.500h11v4.500h-11zM2.500 9h11v4.500h-11zM5 4.750h.01M5 11.250h.01M8 4.750h3M8 11.250h3",
  audit: "M4 1.800h6l2.500 2.500v9.900H4zM6.200 6.500h4M6.200 9h4M6.200 11.500h2.500",
  settings: "M2 4.500h7M12 4.500h2M2 11.500h2M7 11.500h7M9 3v3h3V3zM4 10v3h3v-3z",
  search: "M7 2.200a4.800 4.800 0 1 1 0 9.600 4.800 4.800 0 0 1 0-9.600zM10.600 10.600l3.400 3.400",
  plus: "M8 3v10M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.500l3.200 3.200L13 5",
  copy: "M5.500 5.500h8v8h-8zM5.500 10.500h-3v-8h8v3",
  more: "M3.500 8h.01M8 8h.01M12.500 8h.01",
  open: "M6.500 3h-3.500v10h10V9.500M9 3h4v4M13 3 7.500 8.500",
  refresh: "M13.500 8A5.500 5.500 0 1 1 11.900 4.100M13.500 1.800v3h-3",
  chevron: "M6 3.500 10.500 8 6 12.500",
  back: "M10 3.500 5.500 8l4.500 4.500",
  menu: "M2.500 4.500h11M2.500 8h11M2.500 11.500h11",
  sun: "M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM8 1.500v1.200M8 13.300v1.200M1.500 8h1.200M13.300 8h1.200M3.400 3.400l.9.9M11.700 11.700l.9.9M12.600 3.400l-.9.9M4.300 11.700l-.9.9",
  moon: "M13.500 9.600A5.800 5.800 0 0 1 6.400 2.500a5.800 5.800 0 1 0 7.100 7.100z",
  auto: "M8 2a6 6 0 1 1 0 12zM8 2a6 6 0 1 0 0 12",
  warn: "M8 2.200 14.200 13H1.800zM8 6.500v3M8 11.300v.01",
  bad: "M8 1.800a6.200 6.200 0 1 1 0 12.400A6.200 6.200 0 0 1 8 1.800zM8 4.800v4M8 11.100v.01",
  ok: "M8 1.800a6.200 6.200 0 1 1 0 12.400A6.200 6.200 0 0 1 8 1.800zM5.200 8.200l2 2 3.600-4",
  user: "M8 2.500a2.800 2.800 0 1 1 0 5.600 2.800 2.800 0 0 1 0-5.600zM2.800 13.800c.6-2.800 2.600-4 5.200-4s4.600 1.200 5.200 4",
  key: "M5.200 7.300a3.500 3.500 0 1 1 0 3.400 3.500 3.500 0 0 1 0-3.400M8.500 9H14v2.500M11.500 9v2",
  cards: "M2.500 2.500h4.500v4.500h-4.500zM9 2.500h4.500v4.500h-4.500zM2.500 9h4.500v4.500h-4.500zM9 9h4.500v4.500h-4.500z",
  table: "M2.500 3h11v10h-11zM2.500 6.300h11M2.500 9.700h11",
  bell: "M4 11V7a4 4 0 0 1 8 0v4l1.200 1.200H2.800zM6.800 14h2.400",
  chip: "M4.500 4.500h7v7h-7zM6.500 2v2.500M9.500 2v2.500M6.500 11.500V14M9.500 11.500V14M2 6.500h2.500M2 9.500h2.500M11.500 6.500H14M11.500 9.500H14",
  help: "M8 1.800a6.200 6.200 0 1 1 0 12.400A6.200 6.200 0 0 1 8 1.800zM6.200 6.300A1.900 1.900 0 1 1 8 8.800v.7M8 11.600v.01",
  terminal: "M2 3h12v10H2zM4.500 6l2 2-2 2M8.500 10h3",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, className = "size-4" }: { name: IconName; className?: string }) {
  return (
    <svg viewBox="0 0 16 16" className={`shrink-0 ${className}`} fill="none" stroke="currentColor" strokeWidth={name === "more" ? 2 : 1.4} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Mark({ className = "size-7" }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" className={className} aria-hidden="true">
      <rect width="32" height="32" rx="8" className="fill-accent-fill" />
      <path d="M7 11h6.500c2 0 3 1 3 3v4c0 2 1 3 3 3H25" fill="none" stroke="#fff" strokeWidth="3" strokeLinecap="round" />
      <path d="M7 21h4.500M20.500 11H25" fill="none" stroke="#fff" strokeOpacity="0.6" strokeWidth="3" strokeLinecap="round" />
    </svg>
  );
}
