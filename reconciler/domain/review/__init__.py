"""What people do with findings: notes, owners, due dates, ages, and the closing of a period."""
