// smtpsync_v1 for rules in AssemblyScript. Build with
//
//   asc rule.ts -O3 --runtime stub --exportStart _initialize --use abort= -o rule.wasm
//
// and put the manifest in with `smtp-sync plugin pack`. The stub runtime never
// frees memory, which does not matter: after each message memory is what it was.

// Fields.
export const FROM_DOMAIN: u32 = 1;
export const FROM_ADDRESS: u32 = 2;
export const FROM_NAME: u32 = 3;
export const LIST_ID: u32 = 4;
export const SUBJECT: u32 = 5;
export const TO: u32 = 6;
export const DELIVERED_TO: u32 = 7;
export const REPLY_TO_DOMAIN: u32 = 8;
export const MAILBOX_NAME: u32 = 9;
export const SOURCE_FOLDER: u32 = 10;
export const LIST_UNSUBSCRIBE: u32 = 11; // "1" if one can unsubscribe
export const PRECEDENCE: u32 = 12;
export const AUTO_SUBMITTED: u32 = 13;
export const MESSAGE_ID_DOMAIN: u32 = 14;

// Numbers; -1 is not known. DKIM, SPF, DMARC: 0 not known, 1 pass, 2 fail.
export const SIZE: u32 = 1;
export const DATE: u32 = 2;
export const RECEIVED_AT: u32 = 3;
export const DKIM: u32 = 4;
export const SPF: u32 = 5;
export const DMARC: u32 = 6;
export const RECIPIENTS: u32 = 7;
export const HAS_LIST_HEADERS: u32 = 8;
export const ABI_MINOR: u32 = 9;

// Verdicts, combined with |; SKIP says all, whatever else is set.
export const KEEP: u64 = 0;
export const SKIP: u64 = 1;
export const ARCHIVE: u64 = 2;
export const STAR: u64 = 4;
export const IMPORTANT: u64 = 8;
export const READ: u64 = 16;
export const NEVER_SPAM: u64 = 32;
export const SPAM: u64 = 64;

/** because is the number of a reason that the manifest names. */
// @ts-ignore: decorator
@inline
export function because(reason: u16): u64 {
  return <u64>reason << 32;
}

// @ts-ignore: decorator
@external("smtpsync_v1", "field") declare function host_field(id: u32, buf: usize, room: u32): i32;
// @ts-ignore: decorator
@external("smtpsync_v1", "header") declare function host_header(name: usize, len: u32, index: u32, buf: usize, room: u32): i32;
// @ts-ignore: decorator
@external("smtpsync_v1", "number") declare function host_number(id: u32): i64;
// @ts-ignore: decorator
@external("smtpsync_v1", "config") declare function host_config(key: usize, len: u32, buf: usize, room: u32): i32;
// @ts-ignore: decorator
@external("smtpsync_v1", "in_list") declare function host_in_list(id: u32, key: usize, len: u32): i32;
// @ts-ignore: decorator
@external("smtpsync_v1", "matches") declare function host_matches(id: u32, key: usize, len: u32): i32;
// @ts-ignore: decorator
@external("smtpsync_v1", "label") declare function host_label(text: usize, len: u32): i32;
// @ts-ignore: decorator
@external("smtpsync_v1", "note") declare function host_note(code: i32, value: i64): void;

const ROOM: u32 = 1024; // a field has 998 octets at most
const buffer: usize = heap.alloc(ROOM);

/** decode gives what the host wrote, null if it has nothing. */
function decode(n: i32): string | null {
  return n < 0 ? null : String.UTF8.decodeUnsafe(buffer, n);
}

/** field gives a value, null if there is none or it was not granted. */
export function field(id: u32): string | null {
  return decode(host_field(id, buffer, ROOM));
}

/** header gives the index-th header field of a name, from 0. */
export function header(name: string, index: u32 = 0): string | null {
  const key = Uint8Array.wrap(String.UTF8.encode(name));
  return decode(host_header(key.dataStart, key.length, index, buffer, ROOM));
}

/** number gives a number, -1 if it is not known. */
export function number(id: u32): i64 {
  return host_number(id);
}

/** config gives a setting as text, lists joined by line feeds; null if it has no value. */
export function config(key: string): string | null {
  const k = Uint8Array.wrap(String.UTF8.encode(key));
  const n = host_config(k.dataStart, k.length, buffer, ROOM);
  if (n <= <i32>ROOM) return decode(n);
  const long = heap.alloc(n);
  host_config(k.dataStart, k.length, long, n);
  return String.UTF8.decodeUnsafe(long, n);
}

/** inList reports whether a list of the settings has a field's value, or a domain above it. */
export function inList(id: u32, key: string): bool {
  const k = Uint8Array.wrap(String.UTF8.encode(key));
  return host_in_list(id, k.dataStart, k.length) == 1;
}

/** matches reports whether a pattern of the settings matches a field. */
export function matches(id: u32, key: string): bool {
  const k = Uint8Array.wrap(String.UTF8.encode(key));
  return host_matches(id, k.dataStart, k.length) == 1;
}

/** label puts a label on the message; false if it may not have it. */
export function label(text: string): bool {
  const t = Uint8Array.wrap(String.UTF8.encode(text));
  return host_label(t.dataStart, t.length) == 0;
}

/** note leaves a number for the author's log. */
export function note(code: i32, value: i64): void {
  host_note(code, value);
}
