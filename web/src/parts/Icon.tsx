/** Line drawings of 24 by 24. */
import type { JSX } from "preact";

const PATHS = {
  account: "M12 12.5a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20c1-3.5 4-5 7.5-5s6.5 1.5 7.5 5",
  axes: "M12 13.5V3.5M9.5 6L12 3.5 14.5 6M12 13.5L4 18.5M12 13.5l8 5M3.8 15.5v3h3M20.2 15.5v3h-3",
  arrow: "M5 12h14M13 6l6 6-6 6",
  back: "M19 12H5M11 6l-6 6 6 6",
  bell: "M6 16.5V11a6 6 0 1 1 12 0v5.5l1.5 2h-15zM10 21h4",
  camera: "M4 8h3.5L9 5.5h6L16.5 8H20v11H4zM12 16.5a3.4 3.4 0 1 0 0-6.8 3.4 3.4 0 0 0 0 6.8Z",
  check: "M5 12.5l4.5 4.5L19 7.5",
  clock: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM12 7.5V12l3 2",
  close: "M6 6l12 12M18 6L6 18",
  cloud: "M6 6h.01M12 4h.01M18 7h.01M4 12h.01M9 10h.01M15 11h.01M20 13h.01M7 16h.01M12 15h.01M17 17h.01M10 20h.01M15 20.5h.01",
  code: "M8.5 7L3.5 12l5 5M15.5 7l5 5-5 5",
  copy: "M9 9h11v11H9zM15 5.5V4H4v11h1.5",
  crop: "M7 3v14h14M3 7h14v14",
  cube: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM12 12l8-4.5M12 12v9M12 12L4 7.5",
  download: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
  file: "M6 3.5h8l4 4v13H6zM14 3.5v4h4",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  globe: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM3.5 12h17M12 3.5c3 2.5 3.5 5.5 3.5 8.5s-.5 6-3.5 8.5c-3-2.5-3.5-5.5-3.5-8.5s.5-6 3.5-8.5Z",
  half: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM12 3.5v17",
  key: "M14.5 13.5a5 5 0 1 0-4.5-3L3.5 17v3.5H7V18h2.5v-2.5L11 14",
  layers: "M12 4l9 5-9 5-9-5zM3.5 13.5L12 18l8.5-4.5",
  library: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  link: "M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-5.5-5.5L12 7.5M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 5.5 5.5L12 16.5",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  moon: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10Z",
  normals: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16ZM12 12l5-5M13.5 7H17v3.5",
  phone: "M7 3h10v18H7zM11 18h2",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01",
  play: "M8 5l11 7-11 7z",
  plus: "M12 5v14M5 12h14",
  refresh: "M19.5 12a7.5 7.5 0 1 1-2.2-5.3M19.5 4v4h-4",
  report: "M6 3.5h12v17H6zM9 8h6M9 12h6M9 16h3.5",
  ruler: "M3.5 16.5l13-13 4 4-13 13zM7 13l1.6 1.6M10 10l2.4 2.4M13 7l1.6 1.6",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.5 15.5L20 20",
  share: "M12 15V4M8 7.5L12 3.5l4 4M5 12.5v7.5h14v-7.5",
  sliders: "M4 7h9M17 7h3M15 5v4M4 17h3M11 17h9M9 15v4M4 12h5M13 12h7M11 10v4",
  splat: "M9 13a5 3 0 1 0 0-6 5 3 0 0 0 0 6ZM15.5 18.5a3 4.5 0 1 0 0-9 3 4.5 0 0 0 0 9ZM8 20a3 1.6 0 1 0 0-3.2A3 1.6 0 0 0 8 20Z",
  stop: "M6.5 6.5h11v11h-11z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  trash: "M5 7h14M9.5 7V4.5h5V7M7 7l1 13h8l1-13M10.5 10.5v6M13.5 10.5v6",
  upload: "M12 15.5V4.5M7 9l5-5 5 5M5 20h14",
  warning: "M12 4l9 16H3zM12 10v4.5M12 17.3v.01",
  wire: "M12 3l8.5 17h-17zM8 11.5h8M12 20l-4-8.5M12 20l4-8.5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
