;; skip-newsletters: what can be unsubscribed from, or calls itself bulk, is a
;; newsletter, unless one can write to the list that it comes through.
(module
  (import "smtpsync_v1" "field" (func $field (param $id i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "header" (func $header (param $name i32) (param $len i32) (param $index i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "config" (func $config (param $key i32) (param $len i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "in_list" (func $in_list (param $field i32) (param $key i32) (param $len i32) (result i32)))
  (import "smtpsync_v1" "label" (func $label (param $at i32) (param $len i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "action")
  (data (i32.const 8) "label")
  (data (i32.const 16) "keep")
  (data (i32.const 24) "List-Post")

  (global $verdict (mut i64) (i64.const 0x1_0000_0000)) ;; reason 1
  (global $length (mut i32) (i32.const 0))              ;; octets of the label at 512, 0: none

  (func (export "configure_v1") (result i32)
    (local $first i32)
    (drop (call $config (i32.const 0) (i32.const 6) (i32.const 1024) (i32.const 16)))
    (local.set $first (i32.load8_u (i32.const 1024))) ;; the letter that tells the actions apart
    (if (i32.eq (local.get $first) (i32.const 0x73))  ;; skip
      (then (global.set $verdict (i64.const 0x1_0000_0001))))
    (if (i32.eq (local.get $first) (i32.const 0x61))  ;; archive
      (then (global.set $verdict (i64.const 0x1_0000_0002))))
    (if (i32.eq (local.get $first) (i32.const 0x6c))  ;; label
      (then (global.set $length (call $config (i32.const 8) (i32.const 5) (i32.const 512) (i32.const 100)))))
    (i32.const 0))

  (func (export "filter_v1") (result i64)
    (if (i32.eqz (call $newsletter))
      (then (return (i64.const 0))))
    (if (i32.eq (call $in_list (i32.const 1) (i32.const 16) (i32.const 4)) (i32.const 1)) ;; 1: from_domain
      (then (return (i64.const 0))))
    (if (global.get $length)
      (then (drop (call $label (i32.const 512) (global.get $length)))))
    (global.get $verdict))

  (func $newsletter (result i32)
    (if (i32.ne (call $field (i32.const 11) (i32.const 1024) (i32.const 998)) (i32.const 1)) ;; 11: list_unsubscribe, "1" if there
      (then
        (if (i32.ne (call $field (i32.const 12) (i32.const 1024) (i32.const 998)) (i32.const 4)) ;; 12: precedence
          (then (return (i32.const 0))))
        (if (i32.ne (i32.load (i32.const 1024)) (i32.const 0x6b6c7562)) ;; "bulk"
          (then (return (i32.const 0))))))
    ;; RFC 2369 3.4: NO is how a list says that nobody may write to it
    (if (i32.le_s (call $header (i32.const 24) (i32.const 9) (i32.const 0) (i32.const 1024) (i32.const 998)) (i32.const 0))
      (then (return (i32.const 1))))
    (i32.eq (i32.load16_u (i32.const 1024)) (i32.const 0x4f4e))))
