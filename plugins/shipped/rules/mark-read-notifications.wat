;; mark-read-notifications: what a machine sent by itself is marked as read
;; (RFC 3834 5: auto-generated, and auto-notified of RFC 5436). An automatic
;; answer is left alone: somebody may wait for the person who is away.
(module
  (import "smtpsync_v1" "field" (func $field (param $id i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "config" (func $config (param $key i32) (param $len i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "in_list" (func $in_list (param $field i32) (param $key i32) (param $len i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "domains")
  (data (i32.const 8) "archive")

  (global $every (mut i32) (i32.const 0))               ;; there is no list
  (global $verdict (mut i64) (i64.const 0x1_0000_0010)) ;; reason 1, read

  (func (export "configure_v1") (result i32)
    ;; into no room at all: how long is it?
    (global.set $every (i32.le_s (call $config (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 0)) (i32.const 0)))
    ;; "true" has four letters, "false" has five
    (if (i32.eq (call $config (i32.const 8) (i32.const 7) (i32.const 1024) (i32.const 8)) (i32.const 4))
      (then (global.set $verdict (i64.const 0x1_0000_0012)))) ;; read and archive
    (i32.const 0))

  (func (export "filter_v1") (result i64)
    (local $n i32)
    (local.set $n (call $field (i32.const 13) (i32.const 1024) (i32.const 998))) ;; 13: auto_submitted
    (if (i32.eqz (i32.or
          (i32.and
            (i32.eq (local.get $n) (i32.const 14)) ;; "auto-gen" and "enerated"
            (call $both (i64.const 0x6e65672d6f747561) (i32.const 1030) (i64.const 0x6465746172656e65)))
          (i32.and
            (i32.eq (local.get $n) (i32.const 13)) ;; "auto-not" and "notified"
            (call $both (i64.const 0x746f6e2d6f747561) (i32.const 1029) (i64.const 0x6465696669746f6e)))))
      (then (return (i64.const 0))))
    (if (i32.eqz (global.get $every))
      (then
        (if (i32.ne (call $in_list (i32.const 1) (i32.const 0) (i32.const 7)) (i32.const 1)) ;; 1: from_domain
          (then (return (i64.const 0))))))
    (global.get $verdict))

  ;; $both reports whether the field starts with eight octets and has eight others at a place.
  (func $both (param $head i64) (param $at i32) (param $tail i64) (result i32)
    (i32.and
      (i64.eq (i64.load (i32.const 1024)) (local.get $head))
      (i64.eq (i64.load (local.get $at)) (local.get $tail)))))
