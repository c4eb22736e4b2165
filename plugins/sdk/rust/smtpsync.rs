//! smtpsync_v1 for rules in Rust, without the standard library: put this file
//! beside the rule, which begins with `#![no_std]` and `mod smtpsync;`. Build with
//!
//! ```text
//! rustc --edition 2021 --target wasm32-unknown-unknown -C opt-level=s -C lto -C panic=abort \
//!     -C strip=symbols -C link-arg=-zstack-size=16384 --crate-type cdylib -o rule.wasm rule.rs
//! ```
//!
//! and put the manifest in with `smtp-sync plugin pack`. (Without a size for the
//! stack the linker takes a megabyte, more than a rule gets that asks for nothing.)
//!
//! Functions that give a value write it into the buffer if it fits there whole;
//! what they give borrows from it. A field has 998 octets at most. A panic is a
//! failure of the rule: the message is imported as if there were no such rule.
#![allow(dead_code)]

/// Octets of the longest field.
pub const MAX_VALUE: usize = 998;

/// Fields.
pub mod field {
    pub const FROM_DOMAIN: u32 = 1;
    pub const FROM_ADDRESS: u32 = 2;
    pub const FROM_NAME: u32 = 3;
    pub const LIST_ID: u32 = 4;
    pub const SUBJECT: u32 = 5;
    pub const TO: u32 = 6;
    pub const DELIVERED_TO: u32 = 7;
    pub const REPLY_TO_DOMAIN: u32 = 8;
    pub const MAILBOX_NAME: u32 = 9;
    pub const SOURCE_FOLDER: u32 = 10;
    pub const LIST_UNSUBSCRIBE: u32 = 11; // "1" if one can unsubscribe
    pub const PRECEDENCE: u32 = 12;
    pub const AUTO_SUBMITTED: u32 = 13;
    pub const MESSAGE_ID_DOMAIN: u32 = 14;
}

/// Numbers; -1 is not known. DKIM, SPF, DMARC: 0 not known, 1 pass, 2 fail.
pub mod number {
    pub const SIZE: u32 = 1;
    pub const DATE: u32 = 2;
    pub const RECEIVED_AT: u32 = 3;
    pub const DKIM: u32 = 4;
    pub const SPF: u32 = 5;
    pub const DMARC: u32 = 6;
    pub const RECIPIENTS: u32 = 7;
    pub const HAS_LIST_HEADERS: u32 = 8;
    pub const ABI_MINOR: u32 = 9;
}

/// Verdicts, combined with `|`; SKIP says all, whatever else is set.
pub const KEEP: u64 = 0;
pub const SKIP: u64 = 1;
pub const ARCHIVE: u64 = 2;
pub const STAR: u64 = 4;
pub const IMPORTANT: u64 = 8;
pub const READ: u64 = 16;
pub const NEVER_SPAM: u64 = 32;
pub const SPAM: u64 = 64;

/// The number of a reason that the manifest names.
pub const fn because(reason: u16) -> u64 {
    (reason as u64) << 32
}

mod host {
    #[link(wasm_import_module = "smtpsync_v1")]
    extern "C" {
        pub fn field(id: u32, buf: *mut u8, room: usize) -> i32;
        pub fn header(name: *const u8, len: usize, index: u32, buf: *mut u8, room: usize) -> i32;
        pub fn number(id: u32) -> i64;
        pub fn config(key: *const u8, len: usize, buf: *mut u8, room: usize) -> i32;
        pub fn in_list(id: u32, key: *const u8, len: usize) -> i32;
        pub fn matches(id: u32, key: *const u8, len: usize) -> i32;
        pub fn label(text: *const u8, len: usize) -> i32;
        pub fn note(code: i32, value: i64);
    }
}

/// What was written, None if there is nothing, or not enough room.
fn written(buf: &[u8], n: i32) -> Option<&[u8]> {
    if n < 0 {
        None
    } else {
        buf.get(..n as usize)
    }
}

/// A field's value.
pub fn field(id: u32, buf: &mut [u8]) -> Option<&[u8]> {
    let n = unsafe { host::field(id, buf.as_mut_ptr(), buf.len()) };
    written(buf, n)
}

/// The index-th header field of a name, from 0.
pub fn header<'a>(name: &str, index: u32, buf: &'a mut [u8]) -> Option<&'a [u8]> {
    let n = unsafe { host::header(name.as_ptr(), name.len(), index, buf.as_mut_ptr(), buf.len()) };
    written(buf, n)
}

/// A number, -1 if it is not known.
pub fn number(id: u32) -> i64 {
    unsafe { host::number(id) }
}

/// A setting as text, lists joined by line feeds.
pub fn config<'a>(key: &str, buf: &'a mut [u8]) -> Option<&'a [u8]> {
    let n = unsafe { host::config(key.as_ptr(), key.len(), buf.as_mut_ptr(), buf.len()) };
    written(buf, n)
}

/// Whether a list of the settings has a field's value, or a domain above it.
pub fn in_list(id: u32, key: &str) -> bool {
    unsafe { host::in_list(id, key.as_ptr(), key.len()) == 1 }
}

/// Whether a pattern of the settings matches a field.
pub fn matches(id: u32, key: &str) -> bool {
    unsafe { host::matches(id, key.as_ptr(), key.len()) == 1 }
}

/// Puts a label on the message; false if it may not have it.
pub fn label(text: &[u8]) -> bool {
    unsafe { host::label(text.as_ptr(), text.len()) == 0 }
}

/// Leaves a number for the author's log.
pub fn note(code: i32, value: i64) {
    unsafe { host::note(code, value) }
}

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
