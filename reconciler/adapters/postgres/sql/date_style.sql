SET DateStyle TO 'ISO'
