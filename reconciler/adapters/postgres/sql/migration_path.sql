SET search_path TO reconciler
