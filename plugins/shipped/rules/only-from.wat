;; only-from: mail from others than those listed is not imported, or archived.
;; A sender that cannot be made out is not on the list.
(module
  (import "smtpsync_v1" "config" (func $config (param $key i32) (param $len i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "in_list" (func $in_list (param $field i32) (param $key i32) (param $len i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "domains")
  (data (i32.const 8) "addresses")
  (data (i32.const 24) "action")

  (global $verdict (mut i64) (i64.const 0x1_0000_0001)) ;; reason 1, skip

  (func (export "configure_v1") (result i32)
    ;; Without a name on either list there would be no mail at all: that is a mistake.
    (if (i32.le_s (call $config (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 0)) (i32.const 0))
      (then
        (if (i32.le_s (call $config (i32.const 8) (i32.const 9) (i32.const 0) (i32.const 0)) (i32.const 0))
          (then (return (i32.const 1))))))
    (if (i32.eq (call $config (i32.const 24) (i32.const 6) (i32.const 1024) (i32.const 16)) (i32.const 7)) ;; archive has seven letters
      (then (global.set $verdict (i64.const 0x1_0000_0002))))
    (i32.const 0))

  (func (export "filter_v1") (result i64)
    (if (i32.eq (call $in_list (i32.const 1) (i32.const 0) (i32.const 7)) (i32.const 1)) ;; 1: from_domain
      (then (return (i64.const 0))))
    (if (i32.eq (call $in_list (i32.const 2) (i32.const 8) (i32.const 9)) (i32.const 1)) ;; 2: from_address
      (then (return (i64.const 0))))
    (global.get $verdict)))
