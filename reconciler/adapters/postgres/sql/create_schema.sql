CREATE SCHEMA reconciler
