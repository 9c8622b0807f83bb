-- how far each net has come
SELECT name, handled_until FROM reconciler.cursors WHERE account = %(account)s
