/** Scans, as the server keeps them. */
import type { LogOut, ScanIn } from "../wire.ts";
import { ask, get, patch, post, remove } from "./client.ts";
import type { Choices, Listed, Published, Result, Scan, Shared, StoredFile, Values } from "./types.ts";
import { unique } from "./unique.ts";

export interface Filter {
  q?: string;
  cursor?: string;
}

const query = (filter: Filter): string =>
  new URLSearchParams(Object.entries(filter).filter(([, value]) => value)).toString();

export const createScan = (wanted: ScanIn): Promise<Scan> =>
  ask<Scan>("POST", "/scans", { body: wanted, idempotencyKey: unique() });
export const listScans = (filter: Filter, signal?: AbortSignal): Promise<Listed<Scan>> =>
  get(`/scans?${query(filter)}`, signal);
export const readScan = (id: string): Promise<Scan> => get(`/scans/${id}`);
export const changeScan = (id: string, changes: Partial<ScanIn>): Promise<Scan> =>
  patch(`/scans/${id}`, changes);
export const deleteScan = (id: string): Promise<void> => remove(`/scans/${id}`);

export const startScan = (id: string): Promise<Scan> => post(`/scans/${id}/start`);
export const cancelScan = (id: string): Promise<Scan> => post(`/scans/${id}/cancel`);

/** Options that were set and are no more go back to what they were by themselves. */
export const reviseScan = (scan: Scan, options: Values): Promise<Scan> => {
  const gone = Object.keys(scan.options).filter((name) => !(name in options));
  return post(`/scans/${scan.id}/revise`, {
    options: { ...Object.fromEntries(gone.map((name) => [name, null])), ...options },
  });
};

export const listFiles = async (id: string): Promise<readonly StoredFile[]> =>
  (await get<Listed<StoredFile>>(`/scans/${id}/files`)).items;
export const deleteFile = (id: string, file: string): Promise<void> =>
  remove(`/scans/${id}/files/${file}`);
export const listResults = async (id: string): Promise<readonly Result[]> =>
  (await get<Listed<Result>>(`/scans/${id}/results`)).items;
export const readLog = async (id: string): Promise<string> =>
  (await get<LogOut>(`/scans/${id}/log?tail=400`)).lines.join("\n");

export const listGallery = (filter: Filter, signal?: AbortSignal): Promise<Listed<Published>> =>
  get(`/gallery?${query(filter)}`, signal);
export const readShared = (token: string): Promise<Shared> => get(`/shared/${encodeURIComponent(token)}`);

let choices: Promise<Choices> | undefined;

/** What this server can make; asked once. */
export function readChoices(): Promise<Choices> {
  choices ??= get<Choices>("/options").catch((error: unknown) => {
    choices = undefined;
    throw error;
  });
  return choices;
}
