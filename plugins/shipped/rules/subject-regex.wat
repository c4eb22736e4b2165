;; subject-regex: one thing is done with mail whose subject matches.
(module
  (import "smtpsync_v1" "config" (func $config (param $key i32) (param $len i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "matches" (func $matches (param $field i32) (param $key i32) (param $len i32) (result i32)))
  (import "smtpsync_v1" "label" (func $label (param $at i32) (param $len i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "pattern")
  (data (i32.const 8) "action")
  (data (i32.const 16) "label")
  ;; What the actions do, by their second letters, which tell them apart.
  (data (i32.const 32) "k\01r\02t\04m\08e\10p\40a\00") ;; skip archive star important read spam label

  (global $verdict (mut i64) (i64.const 0x1_0000_0000)) ;; reason 1
  (global $length (mut i32) (i32.const 0))              ;; octets of the label at 512, 0: none

  (func (export "configure_v1") (result i32)
    (local $second i32) (local $at i32)
    (drop (call $config (i32.const 8) (i32.const 6) (i32.const 1024) (i32.const 16)))
    (local.set $second (i32.load8_u (i32.const 1025)))
    (if (i32.eq (local.get $second) (i32.const 0x61)) ;; label
      (then
        (global.set $length (call $config (i32.const 16) (i32.const 5) (i32.const 512) (i32.const 100)))
        (if (i32.le_s (global.get $length) (i32.const 0))
          (then (return (i32.const 1))))))
    (local.set $at (i32.const 32))
    (loop $next
      (if (i32.eq (i32.load8_u (local.get $at)) (local.get $second))
        (then
          (global.set $verdict (i64.or (global.get $verdict) (i64.load8_u offset=1 (local.get $at))))
          (return (i32.const 0))))
      (local.set $at (i32.add (local.get $at) (i32.const 2)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 46))))
    (i32.const 2))

  (func (export "filter_v1") (result i64)
    (if (i32.ne (call $matches (i32.const 5) (i32.const 0) (i32.const 7)) (i32.const 1)) ;; 5: subject
      (then (return (i64.const 0))))
    (if (global.get $length)
      (then (drop (call $label (i32.const 512) (global.get $length)))))
    (global.get $verdict)))
