;; label-by-list-id: mail of a mailing list gets the list's id as its label,
;; "golang-nuts.googlegroups.com" or "Lists/golang-nuts.googlegroups.com".
(module
  (import "smtpsync_v1" "field" (func $field (param $id i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "config" (func $config (param $key i32) (param $len i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "label" (func $label (param $at i32) (param $len i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "under")
  (data (i32.const 8) "archive")

  ;; The label lies at 1024: what it stands under first, put there once.
  (global $under (mut i32) (i32.const 0))             ;; octets of that
  (global $verdict (mut i64) (i64.const 0x1_0000_0000)) ;; reason 1

  (func (export "configure_v1") (result i32)
    (local $n i32)
    (local.set $n (call $config (i32.const 0) (i32.const 5) (i32.const 1024) (i32.const 100)))
    (if (i32.gt_s (local.get $n) (i32.const 0))
      (then
        (if (i32.ne (i32.load8_u offset=1023 (local.get $n)) (i32.const 0x2f)) ;; no / at its end
          (then
            (i32.store8 offset=1024 (local.get $n) (i32.const 0x2f))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))))
        (global.set $under (local.get $n))))
    ;; "true" has four letters, "false" has five
    (if (i32.eq (call $config (i32.const 8) (i32.const 7) (i32.const 2048) (i32.const 8)) (i32.const 4))
      (then (global.set $verdict (i64.const 0x1_0000_0002)))) ;; archive
    (i32.const 0))

  (func (export "filter_v1") (result i64)
    (local $n i32)
    (local.set $n (call $field (i32.const 4) (i32.add (i32.const 1024) (global.get $under)) (i32.const 998))) ;; 4: list_id
    (if (i32.le_s (local.get $n) (i32.const 0))
      (then (return (i64.const 0))))
    ;; an id that is too long for a label gets none
    (if (call $label (i32.const 1024) (i32.add (global.get $under) (local.get $n)))
      (then (return (i64.const 0))))
    (global.get $verdict)))
