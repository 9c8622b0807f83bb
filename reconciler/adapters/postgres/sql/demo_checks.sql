SELECT payment_intent FROM reconciler.checks
