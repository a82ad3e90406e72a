/** Who is signed in. */
import * as account from "../api/account.ts";
import { Failure, onSignedOut } from "../api/client.ts";
import type { User } from "../api/types.ts";
import { Store } from "./store.ts";

/** `undefined` until the server has answered, `null` for guests. */
export const session = new Store<User | null | undefined>(undefined);

/** Why the server could not be asked. */
export const unreachable = new Store<string | null>(null);

onSignedOut(() => session.set(null));

export async function restore(): Promise<void> {
  unreachable.set(null);
  try {
    session.set(await account.readMe());
  } catch (error) {
    if (error instanceof Failure && error.status === 401) session.set(null);
    else unreachable.set(error instanceof Error ? error.message : String(error));
  }
}

export async function leave(): Promise<void> {
  await account.signOut();
  session.set(null);
}
