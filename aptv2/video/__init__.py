"""Video files and image folders: reading, writing, and what runs beside them."""
