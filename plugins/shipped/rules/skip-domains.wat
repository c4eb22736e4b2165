;; skip-domains: mail from a listed domain, or one below it, is not imported.
(module
  (import "smtpsync_v1" "in_list" (func $in_list (param $field i32) (param $key i32) (param $len i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "domains")

  (func (export "filter_v1") (result i64)
    (if (i32.eq (call $in_list (i32.const 1) (i32.const 0) (i32.const 7)) (i32.const 1)) ;; 1: from_domain
      (then (return (i64.const 0x1_0000_0001))))                                         ;; reason 1, skip
    (i64.const 0)))
