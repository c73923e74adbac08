"""What runs inside the wall. It is mounted there file by file and imports nothing of ours."""
