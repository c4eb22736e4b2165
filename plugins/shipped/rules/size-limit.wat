;; size-limit: what is larger than the limit is not imported, archived, or
;; labelled. What the source gives no size for is kept.
(module
  (import "smtpsync_v1" "number" (func $number (param $id i32) (result i64)))
  (import "smtpsync_v1" "config" (func $config (param $key i32) (param $len i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "label" (func $label (param $at i32) (param $len i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "limit")
  (data (i32.const 8) "action")
  (data (i32.const 16) "label")

  (global $limit (mut i64) (i64.const 0))
  (global $verdict (mut i64) (i64.const 0x1_0000_0000)) ;; reason 1
  (global $length (mut i32) (i32.const 0))              ;; octets of the label at 512, 0: none

  (func (export "configure_v1") (result i32)
    (local $first i32) (local $i i32) (local $n i32)
    ;; a size comes as decimal digits
    (local.set $n (call $config (i32.const 0) (i32.const 5) (i32.const 1024) (i32.const 32)))
    (if (i32.le_s (local.get $n) (i32.const 0))
      (then (return (i32.const 1))))
    (loop $digit
      (global.set $limit
        (i64.add
          (i64.mul (global.get $limit) (i64.const 10))
          (i64.sub (i64.load8_u offset=1024 (local.get $i)) (i64.const 0x30))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $digit (i32.lt_s (local.get $i) (local.get $n))))

    (drop (call $config (i32.const 8) (i32.const 6) (i32.const 1024) (i32.const 16)))
    (local.set $first (i32.load8_u (i32.const 1024))) ;; the letter that tells the actions apart
    (if (i32.eq (local.get $first) (i32.const 0x73))  ;; skip
      (then (global.set $verdict (i64.const 0x1_0000_0001))))
    (if (i32.eq (local.get $first) (i32.const 0x61))  ;; archive
      (then (global.set $verdict (i64.const 0x1_0000_0002))))
    (if (i32.eq (local.get $first) (i32.const 0x6c))  ;; label
      (then (global.set $length (call $config (i32.const 16) (i32.const 5) (i32.const 512) (i32.const 100)))))
    (i32.const 0))

  (func (export "filter_v1") (result i64)
    (if (i64.le_s (call $number (i32.const 1)) (global.get $limit)) ;; 1: size, -1 if nobody said
      (then (return (i64.const 0))))
    (if (global.get $length)
      (then (drop (call $label (i32.const 512) (global.get $length)))))
    (global.get $verdict)))
