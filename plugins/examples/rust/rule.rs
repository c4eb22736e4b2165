//! A rule to start from: mail from listed domains is not imported, mail of
//! mailing lists gets a label. smtpsync.rs says how to build it.
#![no_std]

mod smtpsync;
use smtpsync::*;

const PREFIX: usize = 101;

/// The label is built in one place: "Lists/" once, the id for each message.
static mut TEXT: [u8; PREFIX + MAX_VALUE] = [0; PREFIX + MAX_VALUE];
static mut UNDER: usize = 0;

#[no_mangle]
pub extern "C" fn configure_v1() -> i32 {
    unsafe {
        UNDER = config("under", &mut TEXT[..PREFIX - 1]).map_or(0, |text| text.len());
        TEXT[UNDER] = b'/';
        UNDER += 1;
    }
    0
}

#[no_mangle]
pub extern "C" fn filter_v1() -> u64 {
    if in_list(field::FROM_DOMAIN, "domains") {
        return SKIP | because(1);
    }
    unsafe {
        let id = smtpsync::field(field::LIST_ID, &mut TEXT[UNDER..]).map_or(0, |id| id.len());
        if id > 0 && label(&TEXT[..UNDER + id]) {
            return KEEP | because(2);
        }
    }
    KEEP
}
