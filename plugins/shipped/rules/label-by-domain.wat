;; label-by-domain: mail from the listed domains gets a label; without a list
;; all mail does, without a label it is the sender's domain.
(module
  (import "smtpsync_v1" "field" (func $field (param $id i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "config" (func $config (param $key i32) (param $len i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "in_list" (func $in_list (param $field i32) (param $key i32) (param $len i32) (result i32)))
  (import "smtpsync_v1" "label" (func $label (param $at i32) (param $len i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "domains")
  (data (i32.const 8) "label")
  (data (i32.const 16) "archive")

  (global $every (mut i32) (i32.const 0))    ;; there is no list
  (global $fixed (mut i32) (i32.const 0))    ;; octets of the label at 1024, 0: the domain
  (global $verdict (mut i64) (i64.const 0x1_0000_0000)) ;; reason 1

  (func (export "configure_v1") (result i32)
    (local $n i32)
    ;; into no room at all: how long is it?
    (global.set $every (i32.le_s (call $config (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 0)) (i32.const 0)))
    (local.set $n (call $config (i32.const 8) (i32.const 5) (i32.const 1024) (i32.const 100)))
    (if (i32.gt_s (local.get $n) (i32.const 0))
      (then (global.set $fixed (local.get $n))))
    ;; "true" has four letters, "false" has five
    (if (i32.eq (call $config (i32.const 16) (i32.const 7) (i32.const 2048) (i32.const 8)) (i32.const 4))
      (then (global.set $verdict (i64.const 0x1_0000_0002)))) ;; archive
    (i32.const 0))

  (func (export "filter_v1") (result i64)
    (local $n i32)
    (if (i32.eqz (global.get $every))
      (then
        (if (i32.ne (call $in_list (i32.const 1) (i32.const 0) (i32.const 7)) (i32.const 1)) ;; 1: from_domain
          (then (return (i64.const 0))))))
    (local.set $n (global.get $fixed))
    (if (i32.eqz (local.get $n))
      (then (local.set $n (call $field (i32.const 1) (i32.const 1024) (i32.const 998)))))
    (if (i32.le_s (local.get $n) (i32.const 0))
      (then (return (i64.const 0))))
    (if (call $label (i32.const 1024) (local.get $n))
      (then (return (i64.const 0))))
    (global.get $verdict)))
