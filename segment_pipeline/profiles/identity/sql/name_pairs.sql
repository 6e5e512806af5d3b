-- One row per two first names met in one component.
SELECT DISTINCT a.first_name AS one, b.first_name AS other
FROM component_names AS a
JOIN component_names AS b ON b.component = a.component AND a.first_name < b.first_name
