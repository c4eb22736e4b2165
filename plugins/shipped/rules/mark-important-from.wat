;; mark-important-from: mail from those listed is important, and starred if
;; that is wanted.
(module
  (import "smtpsync_v1" "config" (func $config (param $key i32) (param $len i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "in_list" (func $in_list (param $field i32) (param $key i32) (param $len i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "domains")
  (data (i32.const 8) "addresses")
  (data (i32.const 24) "star")

  (global $verdict (mut i64) (i64.const 0x1_0000_0008)) ;; reason 1, important

  (func (export "configure_v1") (result i32)
    ;; "true" has four letters, "false" has five
    (if (i32.eq (call $config (i32.const 24) (i32.const 4) (i32.const 1024) (i32.const 8)) (i32.const 4))
      (then (global.set $verdict (i64.const 0x1_0000_000c)))) ;; important and star
    (i32.const 0))

  (func (export "filter_v1") (result i64)
    (if (i32.eq (call $in_list (i32.const 1) (i32.const 0) (i32.const 7)) (i32.const 1)) ;; 1: from_domain
      (then (return (global.get $verdict))))
    (if (i32.eq (call $in_list (i32.const 2) (i32.const 8) (i32.const 9)) (i32.const 1)) ;; 2: from_address
      (then (return (global.get $verdict))))
    (i64.const 0)))
